"""Archives and passages stay within their organisation."""

from services.agents.archives.search import Newest, Question
from services.agents.archives.store.archives import PostgresArchives
from services.agents.archives.store.passages import PostgresPassages
from services.agents.paging import Page
from services.common.ids import new_id
from tests.agents.service import Service


async def test_another_organisation_sees_and_deletes_nothing(service: Service) -> None:
    agent = await service.api.create()
    [passage] = await service.api.call("CreateArchivalMemory", {"text": "ours"}, agent_id=agent["id"])
    archives, passages = PostgresArchives(), PostgresPassages()
    stranger, archive_id, passage_id = new_id("org"), passage["archive_id"], passage["id"]

    async with service.database.begin() as tx:
        seen = [
            await archives.find(tx, stranger, archive_id),
            await archives.list_all(tx, stranger),
            await archives.of_agent(tx, stranger, agent["id"]),
            await archives.count_passages(tx, stranger, agent["id"]),
            await archives.delete(tx, stranger, archive_id),
            await passages.find(tx, stranger, [passage_id]),
            await passages.list_page(tx, stranger, [archive_id], Page(10), containing=""),
            await passages.rank(tx, stranger, [archive_id], Question(""), Newest()),
            await passages.delete(tx, stranger, [archive_id], passage_id),
        ]
        await archives.delete_of_agent(tx, stranger, agent["id"])
        await archives.detach(tx, stranger, agent["id"], archive_id)

    assert not any(seen)
    assert [one["id"] for one in await service.api.call("ListArchivalMemory", agent_id=agent["id"])] == [passage_id]
