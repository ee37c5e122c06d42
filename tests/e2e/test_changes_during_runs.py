"""What may be changed while an agent answers, what must wait, and that the agent works afterwards."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from letta_client import AsyncLetta, NotFoundError
from letta_client.types import AgentState

from tests.e2e.conftest import MakeAgent
from tests.e2e.tool_sources import ROLL_DICE
from tests.e2e.vendors import Vendors
from tests.e2e.ways import Answer, answer_of, ended, messages_of, send

HISTORY = ["user_message", "tool_call_message", "tool_return_message", "assistant_message"]


@dataclass(frozen=True)
class Busy:
    """An agent whose model has begun to call the agent's own tool, and is held."""

    client: AsyncLetta
    http: httpx.AsyncClient
    agent: AgentState
    tool_id: str
    tool: str
    run_id: str
    vendors: Vendors
    word: str

    async def answer(self, run_id: str = "") -> Answer:
        """Lets the model go on; the answer of the run, or of another one."""
        await self.vendors.release(self.word)
        return await answer_of(self.client, run_id or self.run_id)


@pytest.fixture
async def busy(client: AsyncLetta, http: httpx.AsyncClient, make_agent: MakeAgent, vendors: Vendors, word: str) -> Busy:
    tool = await client.tools.upsert(source_code=ROLL_DICE.replace("roll_dice", f"roll_{word}"))
    agent = await make_agent(tool_ids=[tool.id])
    await send(client, agent.id, "Hello")
    asked = f'call tool {tool.name} with {{"num_sides": 16}} [[fake: hold={word}]]'
    run = await client.agents.messages.create_async(agent.id, input=asked)
    await vendors.wait_until_speaking(f"hold={word}")
    return Busy(client, http, agent, tool.id, tool.name or "", run.id, vendors, word)


Change = Callable[[Busy], Awaitable[Any]]


async def edit_agent(busy: Busy) -> None:
    await busy.client.agents.update(busy.agent.id, system="Be brief.", tool_rules=[])


async def change_model(busy: Busy) -> None:
    await busy.client.agents.update(busy.agent.id, model="anthropic/claude-sonnet-4-5-20250929")


async def detach(busy: Busy) -> None:
    await busy.client.agents.tools.detach(busy.tool_id, agent_id=busy.agent.id)


async def rename_tool(busy: Busy) -> None:
    schema = dict((await busy.client.tools.retrieve(busy.tool_id)).json_schema or {})
    await busy.client.tools.update(busy.tool_id, json_schema=schema | {"name": f"new_{busy.tool}"})


async def recompile(busy: Busy) -> None:
    (await busy.http.post(f"/v1/agents/{busy.agent.id}/recompile")).raise_for_status()


async def repair(busy: Busy) -> None:
    found = (await busy.http.post(f"/v1/agents/{busy.agent.id}/repair")).raise_for_status().json()
    assert found == {"repaired": [], "busy": [busy.agent.id]}


async def fork(busy: Busy) -> None:
    path = f"/v1/conversations/default/fork?agent_id={busy.agent.id}"
    forked = (await busy.http.post(path)).raise_for_status().json()
    answer = await busy.http.post(
        f"/v1/conversations/{forked['id']}/messages", json={"input": "Hi", "streaming": False}
    )
    assert answer.json()["messages"][-1]["content"] == "You said: Hi"


@pytest.mark.parametrize("change", [edit_agent, change_model, detach, rename_tool, recompile, repair, fork])
async def test_a_turn_goes_on_with_what_it_began_with(busy: Busy, change: Change) -> None:
    await change(busy)

    answer = await busy.answer()

    assert [(status, value) for _, status, value in answer.returns] == [("success", "8")]
    assert answer.stop_reason == "end_turn"
    assert (await send(busy.client, busy.agent.id, "Hello")).text == "You said: Hello"


async def test_a_tool_that_is_deleted_fails_its_call_alone(busy: Busy) -> None:
    await busy.client.tools.delete(busy.tool_id)

    answer = await busy.answer()

    assert [status for _, status, _ in answer.returns] == ["error"]
    assert answer.stop_reason == "end_turn"
    assert (await send(busy.client, busy.agent.id, "Hello")).text == "You said: Hello"


async def test_a_tool_that_is_edited_is_called_as_it_is_now(busy: Busy) -> None:
    source = ROLL_DICE.replace("roll_dice", busy.tool).replace("// 2", "* 100")
    await busy.client.tools.update(busy.tool_id, source_code=source)

    answer = await busy.answer()

    assert [(status, value) for _, status, value in answer.returns] == [("success", "1600")]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/reset-messages", {}),
        ("POST", "/summarize", {"compaction_settings": {"mode": "all"}}),
        ("PATCH", "", {"message_ids": []}),
    ],
)
async def test_what_would_take_the_window_away_waits_for_the_turn(
    busy: Busy, method: str, path: str, body: dict[str, Any]
) -> None:
    refused = await busy.http.request(method, f"/v1/agents/{busy.agent.id}{path}", json=body)

    answer = await busy.answer()

    assert refused.status_code == httpx.codes.CONFLICT
    assert busy.run_id in refused.text
    assert answer.stop_reason == "end_turn"
    kinds = [message.message_type for message in await messages_of(busy.client, busy.agent.id)]
    assert kinds[-4:] == HISTORY


async def test_a_run_that_is_deleted_stops_and_frees_its_agent(busy: Busy) -> None:
    (await busy.http.delete(f"/v1/runs/{busy.run_id}")).raise_for_status()

    answer = await send(busy.client, busy.agent.id, "Hello")

    assert answer.text == "You said: Hello"
    with pytest.raises(NotFoundError):
        await busy.client.runs.retrieve(busy.run_id)


async def test_an_agent_that_is_deleted_takes_its_runs_with_it(client: AsyncLetta, vendors: Vendors, word: str) -> None:
    agent = await client.agents.create(model="openai/gpt-4o-mini", include_base_tools=False)
    active = await client.agents.messages.create_async(agent.id, input=f"Hello [[fake: hold={word}]]")
    waiting = await client.agents.messages.create_async(agent.id, input="Hello", extra_body={"on_busy": "enqueue"})
    await vendors.wait_until_speaking(word)

    await client.agents.delete(agent.id)
    await vendors.release(word)

    assert (await ended(client, active.id)).status == "cancelled"
    assert (await ended(client, waiting.id)).status in ("cancelled", "failed")
    with pytest.raises(NotFoundError):
        await send(client, agent.id, "Hello")


@pytest.mark.parametrize("change", [detach, rename_tool])
async def test_a_message_that_waits_meets_the_agent_as_it_is_when_its_turn_comes(busy: Busy, change: Change) -> None:
    asked = f'call tool {busy.tool} with {{"num_sides": 16}}'
    waiting = await busy.client.agents.messages.create_async(
        busy.agent.id, input=asked, extra_body={"on_busy": "enqueue"}
    )
    await change(busy)

    answer = await busy.answer(waiting.id)

    assert [status for _, status, _ in answer.returns] == ["error"]
    assert "there is no tool" in answer.returns[0][2]
    assert answer.stop_reason == "end_turn"
