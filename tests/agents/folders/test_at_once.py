"""Everything at once on the same folders and agents: nobody waits in a circle, and what is left fits together."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from services.common.errors import InvalidArgument, NotFound
from tests.agents.folders.conftest import Shelf, make_shelf
from tests.agents.memory.test_memory_tools import Talk
from tests.agents.service import Service

OPERATIONS = 120
AT_ONCE = 8


@dataclass(frozen=True)
class Chaos:
    """What may happen to one folder and one agent."""

    shelf: Shelf
    agent: Any
    others: list[str]

    async def attach(self) -> None:
        await self.shelf.attach(self.agent["id"])

    async def detach(self) -> None:
        await self.shelf.detach(self.agent["id"])

    async def upload(self) -> None:
        await self.shelf.upload("a.txt", "some text", duplicate_handling="replace")

    async def process(self) -> None:
        await self.shelf.service.ingestion.process_next()

    async def empty(self) -> None:
        for file in await self.shelf.api.call("ListFolderFiles", folder_id=self.shelf.id):
            await self.shelf.api.call("DeleteFolderFile", folder_id=self.shelf.id, file_id=file["id"])

    async def describe(self) -> None:
        await self.shelf.api.call("UpdateFolder", {"description": "new"}, folder_id=self.shelf.id)

    async def replace(self) -> None:
        body = {"folder_ids": self.others, "max_files_open": len(self.others)}
        await self.shelf.api.call("UpdateAgent", body, agent_id=self.agent["id"])

    async def open(self) -> None:
        requests = [{"file_name": f"{self.shelf.folder['name']}/a.txt"}]
        conversation = await self.shelf.api.call("CreateConversation", {}, agent_id=self.agent["id"])
        talk = Talk(self.shelf.service, self.agent)
        await talk.call("open_files", conversation_id=conversation["id"], file_requests=requests)

    async def close(self) -> None:
        await self.shelf.api.call("CloseAllFiles", agent_id=self.agent["id"])

    def any(self, rng: random.Random) -> Callable[[], Awaitable[None]]:
        return rng.choice(
            [
                self.attach,
                self.detach,
                self.upload,
                self.process,
                self.empty,
                self.describe,
                self.replace,
                self.open,
                self.close,
            ]
        )


async def test_nothing_waits_in_a_circle(service: Service) -> None:
    rng = random.Random(7)  # no secret
    shelves = [await make_shelf(service, f"at once {number}") for number in range(2)]
    agents = [await service.api.create() for _ in range(3)]
    free = asyncio.Semaphore(AT_ONCE)

    async def do(operation: Callable[[], Awaitable[None]]) -> None:
        async with free:
            with suppress(NotFound, InvalidArgument):  # a file was deleted, or no file may be open
                await operation()

    pairs = [Chaos(rng.choice(shelves), rng.choice(agents), [shelf.id for shelf in shelves]) for _ in range(OPERATIONS)]
    await asyncio.gather(*(do(pair.any(rng)) for pair in pairs))
    await shelves[0].process()

    for agent in agents:
        state = await service.older.call("GetAgent", agent_id=agent["id"])
        count = sum(block["is_open"] for block in state["memory"]["file_blocks"])
        file_tools = [tool for tool in state["tools"] if tool["name"] == "open_files"]
        assert count <= state["max_files_open"]
        assert len(file_tools) == bool(state["sources"])
        if state["sources"]:
            assert f"- current_files_open={count}\n" in await service.api.system_message(agent["id"])
