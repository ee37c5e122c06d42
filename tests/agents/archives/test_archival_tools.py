"""The archival tools of agents, as a turn runs them."""

import ast
from typing import Any

import pytest

from perdure.agents.v1 import turn_service_pb2 as turns
from perdure.conversation.v1.message_pb2 import ROLE_ASSISTANT, ROLE_USER, Message, Part, ToolCall
from services.common.caller import DEFAULT_ORGANIZATION_ID
from services.common.ids import new_id
from tests.agents.memory.test_memory_tools import Talk
from tests.agents.service import Service

EMBEDDING = "openai/text-embedding-3-small"


@pytest.fixture(params=[EMBEDDING, None], ids=["by meaning", "by words"])
async def talk(service: Service, request: pytest.FixtureRequest) -> Talk:
    return Talk(service, await service.api.create(embedding=request.param))


async def passages(talk: Talk) -> list[str]:
    """The texts of the agent's passages."""
    listed = await talk.service.api.call("ListArchivalMemory", agent_id=talk.agent["id"])
    return [passage["text"] for passage in listed]


async def test_what_is_inserted_is_found(talk: Talk) -> None:
    inserted = await talk.call("archival_memory_insert", content="The sky is blue.", tags=["sky"])
    _, found = await talk.call("archival_memory_search", query="sky")
    _, without = await talk.call("archival_memory_search", query="sky", tags=["none"])

    assert inserted == (True, "None")
    [result] = ast.literal_eval(found)
    assert list(result) == ["id", "timestamp", "content", "tags"]
    assert (result["content"], result["tags"]) == ("The sky is blue.", ["sky"])
    assert without == "[]"


async def test_an_empty_time_is_none(talk: Talk) -> None:
    await talk.call("archival_memory_insert", content="sky")

    succeeded, value = await talk.call("archival_memory_search", query="sky", start_datetime="", end_datetime="")

    assert succeeded
    assert "'content': 'sky'" in value


async def test_an_agent_that_stored_nothing_finds_nothing(talk: Talk) -> None:
    assert await talk.call("archival_memory_search", query="sky") == (True, "[]")
    assert await talk.service.api.call("ListArchives", agent_id=talk.agent["id"]) == []


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("archival_memory_insert", {}, "content"),
        ("archival_memory_insert", {"content": "a\0b"}, "content: The character NUL"),
        ("archival_memory_search", {"query": "x", "top_k": 10**9}, "top_k"),
        ("archival_memory_search", {"query": "x", "end_datetime": "soon"}, "end_datetime"),
        ("archival_memory_search", {"query": "x", "tag_match_mode": "some"}, "tag_match_mode"),
    ],
)
async def test_bad_arguments_are_an_error_return(talk: Talk, tool: str, arguments: dict[str, Any], words: str) -> None:
    succeeded, value = await talk.call(tool, **arguments)

    assert not succeeded
    assert words in value


async def test_a_model_that_fails_is_an_error_return(service: Service) -> None:
    talk = Talk(service, await service.api.create(embedding="openai/broken"))

    succeeded, value = await talk.call("archival_memory_insert", content="The sky is blue.")

    assert not succeeded
    assert value == "Error executing function archival_memory_insert: openai/broken is overloaded"
    assert await service.api.call("ListArchives", agent_id=talk.agent["id"]) == []


async def test_calls_of_one_step_are_stored_together(talk: Talk) -> None:
    step = await _parallel(talk, '{"content": "one"}', '{"content": "two"}', '{"query": "one two"}')

    *inserted, found = [part.tool_return.value for part in step.messages[1].parts]
    assert inserted == ["None", "None"]
    assert {hit["content"] for hit in ast.literal_eval(found)} == {"one", "two"}
    assert await passages(talk) == ["one", "two"]


async def test_a_step_that_is_sent_again_stores_its_passages_once(talk: Talk) -> None:
    request = await _begin(talk, '{"content": "one"}')

    first = await talk.service.turns.CommitStep(request)
    second = await talk.service.turns.CommitStep(request)

    assert first.messages == second.messages
    assert await passages(talk) == ["one"]


async def _parallel(talk: Talk, *arguments: str) -> turns.CommitStepResponse:
    return await talk.service.turns.CommitStep(await _begin(talk, *arguments))


async def _begin(talk: Talk, *arguments: str) -> turns.CommitStepRequest:
    """The first step of a turn that has begun, with a call for each of these arguments."""
    run = {"organization_id": DEFAULT_ORGANIZATION_ID, "run_id": new_id("run"), "attempt": 1}
    said = Message(role=ROLE_USER, parts=[Part(text="Remember.")])
    await talk.service.turns.BeginTurn(
        turns.BeginTurnRequest(**run, conversation_id=talk.agent["id"], input=[said])  # type: ignore[arg-type]  # mixed
    )
    calls = [
        ToolCall(id=f"call_{number}", name=f"archival_memory_{'search' if 'query' in one else 'insert'}", arguments=one)
        for number, one in enumerate(arguments)
    ]
    return turns.CommitStepRequest(
        **run,  # type: ignore[arg-type]  # values of several types
        step=1,
        assistant=Message(id=new_id("message"), role=ROLE_ASSISTANT, parts=[Part(tool_call=call) for call in calls]),
        tool_message_id=new_id("message"),
    )
