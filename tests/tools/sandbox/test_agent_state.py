"""The agent as tools see it that ask for it."""

from typing import Any

import orjson
import pytest

from services.tools.sandbox.job import Failed, Job, Returned
from services.tools.sandbox.sandbox import Sandbox

BLOCKS = [{"label": "human", "value": "Ada."}, {"label": "persona", "value": "Kind."}]
STATE = {"id": "agent-1", "name": "Tester", "memory": {"blocks": BLOCKS}, "blocks": BLOCKS}


async def run(sandbox: Sandbox, body: str, state: Any = STATE) -> Any:
    source = f"def probe(agent_state):\n    {body}\n"
    job = Job(source=source, arguments={}, agent_state=orjson.dumps(state).decode() if state else "")
    return [event async for event in sandbox.run(job)][-1]


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("return agent_state.name + agent_state.id", "Testeragent-1"),
        ("return agent_state.memory.get_block('human').value", "Ada."),
        ("return agent_state.memory.list_block_labels()", "['human', 'persona']"),
        ("return [block.label for block in agent_state.memory.get_blocks()]", "['human', 'persona']"),
        ("return agent_state.blocks[1].value", "Kind."),
    ],
)
async def test_a_tool_reads_the_agent(sandbox: Sandbox, body: str, value: str) -> None:
    assert (await run(sandbox, body)).value == value


async def test_a_tool_without_an_agent_gets_none(sandbox: Sandbox) -> None:
    assert (await run(sandbox, "return agent_state is None", state=None)).value == "True"


@pytest.mark.parametrize(
    "body",
    [
        "agent_state.memory.update_block_value('human', 'Grace.')",
        "agent_state.memory.get_block('human').value = 'Grace.'",
        "agent_state.blocks[0].value = 'Grace.'",
    ],
)
async def test_what_a_tool_writes_to_memory_is_told(sandbox: Sandbox, body: str) -> None:
    ended = await run(sandbox, body)

    assert isinstance(ended, Returned)
    assert ended.memory == {"human": "Grace."}


async def test_an_unknown_label_is_the_tools_error(sandbox: Sandbox) -> None:
    ended = await run(sandbox, "agent_state.memory.update_block_value('goals', 'None.')")

    assert isinstance(ended, Failed)
    assert "There is no block 'goals'; the labels are human, persona." in ended.error


async def test_text_only_may_be_written_to_memory(sandbox: Sandbox) -> None:
    assert (await run(sandbox, "agent_state.memory.update_block_value('human', 1)")).error.startswith("ValueError")


async def test_values_come_as_json_as_well(sandbox: Sandbox) -> None:
    assert (await run(sandbox, "return (1, 'a', None)")).json == '[1, "a", null]'
    assert (await run(sandbox, "return {1, 2}")).json == ""
