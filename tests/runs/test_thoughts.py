"""Thoughts that models write down as the first argument of their calls."""

from typing import Any

import orjson
import pytest

from perdure.conversation.v1.message_pb2 import ROLE_ASSISTANT, Message, Part, ToolCall
from perdure.conversation.v1.model_pb2 import ToolDefinition
from perdure.runs.v1.run_pb2 import MessageDelta, ToolCallDelta
from services.runs.turns.thoughts import ThoughtSplitter, with_thinking, with_thoughts_in_calls
from tests.runs.conftest import Replica, World
from tests.runs.fake_services import call, says, tool
from tests.runs.test_turns import finished

FIRST = '{"thinking": "I \\"roll\\"\\né \\ud83c\\udfb2", "num_sides": 16, "request_heartbeat": true}'
THOUGHT = 'I "roll"\né 🎲'


def heard(text: str, size: int) -> tuple[list[MessageDelta], list[Part]]:
    """The deltas and the parts of an answer with a text and a call whose arguments come in fragments."""
    splitter = ThoughtSplitter()
    told = splitter.split([MessageDelta(message_id="m", part_index=0, text="well")])
    fragments = [text[start : start + size] for start in range(0, len(text), size)]
    for number, fragment in enumerate(fragments):
        delta = ToolCallDelta(id="call-1", name="" if number else "roll", arguments=fragment)
        told += splitter.split([MessageDelta(message_id="m", part_index=1, tool_call=delta)])
    whole = ToolCall(id="call-1", name="roll", arguments=text)
    rest, parts = splitter.finish([Part(text="well"), Part(tool_call=whole)], "m")
    return told + rest, parts


@pytest.mark.parametrize("size", [1, 2, 5, 1000])
@pytest.mark.parametrize(
    ("text", "thought", "arguments"),
    [
        (FIRST, THOUGHT, {"num_sides": 16, "request_heartbeat": True}),
        ('{"num_sides": 16, "thinking": "late"}', "late", {"num_sides": 16}),
        ('{ "thinking" : "alone" }', "alone", {}),
        ('{"num_sides": 16}', "", {"num_sides": 16}),
        ('{"thinking": 7, "num_sides": 16}', "", {"thinking": 7, "num_sides": 16}),
        ('{"thinking": "", "a": {"thinking": "not mine"}}', "", {"a": {"thinking": "not mine"}}),
    ],
)
def test_thoughts_and_arguments_come_apart(text: str, thought: str, arguments: Any, size: int) -> None:
    deltas, parts = heard(text, size)

    assert "".join(part.reasoning.text for part in parts) == thought
    assert orjson.loads(parts[-1].tool_call.arguments) == arguments
    for index, part in enumerate(parts):  # what was told adds up to what is stored
        told = [delta for delta in deltas if delta.part_index == index]
        assert "".join(delta.text or delta.reasoning or delta.tool_call.arguments for delta in told) == (
            part.text or part.reasoning.text or part.tool_call.arguments
        )
    assert next(delta.tool_call.name for delta in deltas if delta.HasField("tool_call")) == "roll"
    assert {delta.tool_call.id for delta in deltas if delta.HasField("tool_call")} == {"call-1"}


@pytest.mark.parametrize("size", [1, 7])
@pytest.mark.parametrize("text", ["", "{", "no JSON", "[1]", '{"thinking": "never end', '{"thinking": "done", "x'])
def test_an_answer_that_breaks_off_stays_told_as_it_is_stored(text: str, size: int) -> None:
    deltas, parts = heard(text, size)

    for index, part in enumerate(parts):
        told = [delta for delta in deltas if delta.part_index == index]
        assert "".join(delta.text or delta.reasoning or delta.tool_call.arguments for delta in told) == (
            part.text or part.reasoning.text or part.tool_call.arguments
        )


def test_thoughts_are_shown_before_their_call_is_whole() -> None:
    splitter = ThoughtSplitter()
    delta = ToolCallDelta(id="call-1", name="roll", arguments='{"thinking": "First')

    [told] = splitter.split([MessageDelta(message_id="m", tool_call=delta)])

    assert (told.reasoning, told.in_call) == ("First", True)


def test_a_model_reads_its_thoughts_where_it_wrote_them() -> None:
    _, parts = heard(FIRST, 1000)

    written = with_thoughts_in_calls(Message(role=ROLE_ASSISTANT, parts=parts))

    assert [part.WhichOneof("kind") for part in written.parts] == ["text", "tool_call"]
    assert orjson.loads(written.parts[1].tool_call.arguments) == orjson.loads(FIRST)


def test_the_argument_is_the_first_of_a_tool() -> None:
    plain = ToolDefinition(name="roll", parameters='{"properties": {"num_sides": {}}, "required": ["num_sides"]}')

    schema = orjson.loads(with_thinking(plain).parameters)

    assert list(schema["properties"]) == schema["required"] == ["thinking", "num_sides"]


async def test_an_older_agent_thinks_aloud(world: World, replica: Replica) -> None:
    world.agents.agent_type, world.agents.thinks_aloud = "memgpt_v2_agent", True
    world.agents.tools = [tool("roll")]
    world.router.script = [says(calls=[call("roll", arguments=FIRST)])]

    await finished(replica, world)

    first, second = world.router.requests
    properties = orjson.loads(first.tools[0].parameters)["properties"]
    assert list(properties) == ["thinking", "request_heartbeat"]
    said, returned, heartbeat = world.agents.histories[world.conversation][2:5]
    assert said.parts[0].reasoning.text == THOUGHT
    assert orjson.loads(said.parts[1].tool_call.arguments) == {"num_sides": 16, "request_heartbeat": True}
    assert orjson.loads(returned.parts[0].tool_return.value) == {"num_sides": 16}
    assert "asked to go on" in heartbeat.parts[0].text
    replayed = second.messages[2]
    assert orjson.loads(replayed.parts[0].tool_call.arguments) == orjson.loads(FIRST)


async def test_an_agent_of_today_does_not(world: World, replica: Replica) -> None:
    world.agents.agent_type, world.agents.thinks_aloud = "letta_v1_agent", True
    world.agents.tools = [tool("roll")]

    await finished(replica, world)

    assert "thinking" not in world.router.requests[0].tools[0].parameters
