"""The REST operations of tags."""

from perdure.agents.v1 import rest_pb2 as rest
from services.agents.paging import Page
from services.agents.tags.store import PostgresTags
from services.common.caller import Caller
from services.common.database import Database


class TagOperations:
    """What `/v1/tags` does."""

    def __init__(self, database: Database, store: PostgresTags) -> None:
        self._database = database
        self._store = store

    async def list_tags(self, caller: Caller, query: rest.ListTagsQuery, _: None) -> list[str]:
        """The tags of all agents by name."""
        page = Page(query.limit, query.before, query.after, descending=query.order == "desc")
        async with self._database.begin() as tx:
            return await self._store.list_page(tx, caller.organization_id, query.query_text or query.name, page)
