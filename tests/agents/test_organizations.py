"""What another organisation has is not there: every operation on it is a 404 and changes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from google.api import annotations_pb2
from sqlalchemy import select, update

from services.agents.schema import metadata
from services.common.database import Database
from services.common.errors import PerdureError
from services.common.ids import new_id
from tests.agents.folders.conftest import EMBEDDING, Shelf, make_shelf
from tests.agents.memory.test_memory_tools import Talk
from tests.agents.neighbours import tool_id
from tests.agents.service import OPERATIONS, Service

BODIES: Mapping[str, Any] = {
    "CreateArchivalMemory": {"text": "theirs"},
    "CreatePassage": {"text": "theirs"},
    "CreatePassages": {"passages": [{"text": "theirs"}]},
    "SetToolApproval": {"requires_approval": True},
}
LEFT_OUT = (
    "ListConversationMessages",  # an empty list, as of any conversation that is not there
    "UpdateMessage",  # no message can be changed
    "UploadFolderFile",  # its body is a form
    "UploadSourceFile",
)


def operations() -> list[str]:
    """The operations on one resource."""
    routes = annotations_pb2.http
    return [
        method.name
        for method in OPERATIONS.values()
        if "{" in str(method.GetOptions().Extensions[routes]) and method.name not in LEFT_OUT
    ]


def query_of(method: str, known: Mapping[str, str]) -> dict[str, str]:
    """The parameters that an operation needs."""
    route = str(OPERATIONS[method].GetOptions().Extensions[annotations_pb2.http])
    in_path = {name: value for name, value in known.items() if f"{{{name}}}" in route}
    return in_path | ({"query": "secret"} if method == "SearchArchivalMemory" else {})


@dataclass(frozen=True)
class Theirs:
    """An agent with one of everything, of another organisation; and our own agent, which has nothing."""

    service: Service
    organization_id: str
    ids: Mapping[str, str]
    own_agent_id: str


async def stored(database: Database) -> dict[str, list[Any]]:
    """Every row, by table."""
    async with database.begin() as tx:
        return {
            table.name: sorted((await tx.execute(select(table))).all(), key=repr) for table in metadata.sorted_tables
        }


async def give_away(database: Database, organization_id: str) -> None:
    """Makes everything that is stored belong to another organisation."""
    async with database.begin() as tx:
        for table in metadata.sorted_tables:
            await tx.execute(update(table).values(organization_id=organization_id))


@pytest.fixture(scope="module")
async def theirs(service: Service) -> Theirs:
    api = service.api
    block = await api.call("CreateBlock", {"label": "notes", "value": "secret"})
    agent = await api.create(block_ids=[block["id"]], tools=["free"], tags=["theirs"], secrets={"TOKEN": "t"})
    conversation = await api.call("CreateConversation", {"isolated_block_labels": ["notes"]}, agent_id=agent["id"])
    await Talk(service, agent).call("free", conversation_id=conversation["id"])
    [passage] = await api.call("CreateArchivalMemory", {"text": "secret"}, agent_id=agent["id"])
    shelf = await make_shelf(service, "theirs", embedding=EMBEDDING)
    file = await shelf.add("a.txt", "secret")
    await shelf.attach(agent["id"])
    messages = await api.call("ListConversationMessages", conversation_id=conversation["id"])
    organization_id = new_id("org")
    await give_away(service.database, organization_id)
    ids = {
        "agent_id": agent["id"],
        "archive_id": passage["archive_id"],
        "block_id": block["id"],
        "block_label": "notes",
        "conversation_id": conversation["id"],
        "file_id": file["id"],
        "folder_id": shelf.id,
        "folder_name": "theirs",
        "memory_id": passage["id"],
        "message_id": messages[-1]["id"],
        "passage_id": passage["id"],
        "tool_id": tool_id("free"),
        "tool_name": "free",
    }
    return Theirs(service, organization_id, ids, (await api.create())["id"])


async def refuse(theirs: Theirs, method: str, query: Mapping[str, str]) -> int:
    """The status of an operation that must leave everything as it is."""
    before = await stored(theirs.service.database)
    takes_body = "body" in OPERATIONS[method].input_type.fields_by_name
    with pytest.raises(PerdureError) as caught:
        await theirs.service.api.call(method, BODIES.get(method, {}) if takes_body else None, **query)
    assert await stored(theirs.service.database) == before
    return caught.value.http_status


@pytest.mark.parametrize("method", operations())
async def test_what_is_theirs_is_not_found(theirs: Theirs, method: str) -> None:
    assert await refuse(theirs, method, query_of(method, theirs.ids)) == 404


@pytest.mark.parametrize(
    "method",
    [
        "AttachArchive",
        "AttachCoreMemoryBlock",
        "AttachFolder",
        "CloseFile",
        "DeleteArchivalMemory",
        "DetachArchive",
        "DetachCoreMemoryBlock",
        "DetachFolder",
        "OpenFile",
    ],
)
async def test_our_agent_gets_nothing_of_theirs(theirs: Theirs, method: str) -> None:
    known = {**theirs.ids, "agent_id": theirs.own_agent_id}

    assert await refuse(theirs, method, query_of(method, known)) == 404


@pytest.mark.parametrize("field", ["block_ids", "folder_ids", "message_ids"])
async def test_our_agent_cannot_be_changed_to_have_what_is_theirs(theirs: Theirs, field: str) -> None:
    body = {field: [theirs.ids[field.removesuffix("s")]]}
    before = await stored(theirs.service.database)

    status, _ = await theirs.service.api.problem("UpdateAgent", body, agent_id=theirs.own_agent_id)

    assert status == 404
    assert await stored(theirs.service.database) == before


async def test_lists_and_counts_leave_out_what_is_theirs(theirs: Theirs) -> None:
    api = theirs.service.api

    messages = await api.call("ListConversationMessages", conversation_id=theirs.ids["conversation_id"])
    lists = [
        await api.call(method)
        for method in ("ListArchives", "ListBlocks", "ListConversations", "ListFolders", "ListTags")
    ]
    counts = [await api.call(method) for method in ("CountAgents", "CountBlocks", "CountFolders")]

    assert (messages, lists) == ([], [[]] * 5)
    assert counts == [1, 0, 0]
    assert [agent["id"] for agent in await api.call("ListAgents")] == [theirs.own_agent_id]


async def test_nothing_is_uploaded_to_their_folder(theirs: Theirs) -> None:
    before = await stored(theirs.service.database)

    status, _ = await Shelf(theirs.service, {"id": theirs.ids["folder_id"]}).refusal("b.txt", "ours")

    assert status == 404
    assert await stored(theirs.service.database) == before
