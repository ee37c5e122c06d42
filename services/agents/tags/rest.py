"""The REST operations of tags."""

from perdure.agents.v1 import agent_rest_pb2 as rest
from services.agents.paging import Page
from services.agents.tags.tags import Tags
from services.common.caller import Caller


class TagOperations:
    """What `/v1/tags` does."""

    def __init__(self, tags: Tags) -> None:
        self._tags = tags

    async def list_tags(self, caller: Caller, query: rest.ListTagsQuery, _: None) -> list[str]:
        """The tags of all agents by name."""
        page = Page(query.limit, query.before, query.after, descending=query.order == "desc")
        return await self._tags.list_page(caller, query.query_text or query.name, page)
