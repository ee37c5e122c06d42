"""Chat completions as servers send them that keep less to the letter than OpenAI."""

from typing import Any

import pytest

from perdure.conversation.v1.message_pb2 import ROLE_ASSISTANT, Message, Part, ToolCall
from perdure.conversation.v1.model_pb2 import ModelSettings
from services.llm_router.completion import Completion, Delta
from services.llm_router.errors import EmptyAnswer, ProviderFailed, ProviderUnavailable
from services.llm_router.model import Model
from services.llm_router.prompt import Prompt
from services.llm_router.providers.openai_chat import ChatReader
from services.llm_router.providers.sdk_errors import read_chunk

MODEL = Model("mine/m", "m", "mine", "openai", "http://h", context_window=8_192, max_output_tokens=1_024)
USED = Message(role=ROLE_ASSISTANT, parts=[Part(tool_call=ToolCall(id="functions.look:0", name="look"))])


def call(name: str, arguments: Any, *, index: int | None = 0, call_id: str = "") -> dict[str, Any]:
    return {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}


def read(*deltas: dict[str, Any], history: tuple[Message, ...] = (), finish: str = "stop") -> list[Delta | Completion]:
    reader = ChatReader(Prompt(MODEL, history, (), ModelSettings()))
    chunks: list[dict[str, Any]] = [{"choices": [{"delta": delta}]} for delta in deltas]
    chunks.append({"choices": [{"delta": {}, "finish_reason": finish}]})
    return [*read_chunk(reader.read, chunks), *reader.complete()]


def calls_of(events: list[Delta | Completion]) -> list[tuple[str, str, str]]:
    completion = events[-1]
    assert isinstance(completion, Completion)
    calls = [part.tool_call for part in completion.parts]
    return [(call.id, call.name, call.arguments) for call in calls]


def test_whole_calls_that_all_have_index_zero_are_told_apart_by_their_ids() -> None:
    events = read({"tool_calls": [call("a", "{}", call_id="1"), call("b", "{}", call_id="2")]})

    assert calls_of(events) == [("1", "a", "{}"), ("2", "b", "{}")]


def test_arguments_may_come_as_an_object() -> None:
    assert calls_of(read({"tool_calls": [call("a", {"n": 1}, call_id="1")]})) == [("1", "a", '{"n":1}')]


def test_a_call_without_arguments_has_an_empty_object() -> None:
    assert calls_of(read({"tool_calls": [call("a", None, call_id="1")]})) == [("1", "a", "{}")]


def test_a_missing_index_is_the_first() -> None:
    pieces = [call("a", '{"n":', index=None, call_id="1"), call("", " 1}", index=None)]

    assert calls_of(read(*({"tool_calls": [piece]} for piece in pieces))) == [("1", "a", '{"n": 1}')]


@pytest.mark.parametrize("call_id", ["", "functions.look:0"])
def test_an_id_that_is_missing_or_was_used_before_is_replaced(call_id: str) -> None:
    events = read({"tool_calls": [call("look", "{}", call_id=call_id)]}, history=(USED,))

    made_up = calls_of(events)[0][0]
    assert made_up.startswith("call_")
    assert {event.call_id for event in events if isinstance(event, Delta)} == {made_up}


def test_ids_and_names_come_without_what_cannot_be_stored() -> None:
    assert calls_of(read({"tool_calls": [call("lo\0ok", "{}", call_id="\0a")]})) == [("a", "look", "{}")]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_thoughts_come_under_either_name(name: str) -> None:
    events = read({name: "hm"}, {"content": "yes"})

    assert events[:2] == [Delta(0, "reasoning", "hm"), Delta(1, "text", "yes")]


def test_thoughts_and_text_may_come_as_pieces_of_content() -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    events = read({"content": [thought]}, {"content": [{"type": "text", "text": "yes"}]}, {"content": "."})

    assert events[:3] == [Delta(0, "reasoning", "hm"), Delta(1, "text", "yes"), Delta(1, "text", ".")]


def test_an_answer_with_only_thoughts_is_empty() -> None:
    with pytest.raises(EmptyAnswer):
        read({"reasoning": "hm"})


def test_an_answer_whose_tokens_all_went_into_thoughts_is_cut() -> None:
    completion = read({"reasoning": "hm"}, finish="length")[-1]

    assert isinstance(completion, Completion)
    assert [part.WhichOneof("kind") for part in completion.parts] == ["reasoning"]


def test_a_stream_without_an_end_broke_off() -> None:
    reader = ChatReader(Prompt(MODEL, (), (), ModelSettings()))

    with pytest.raises(ProviderUnavailable):
        list(reader.complete())


@pytest.mark.parametrize("reason", ["error", "insufficient_system_resource", "network_error"])
def test_an_answer_that_the_provider_could_not_end_broke_off(reason: str) -> None:
    with pytest.raises(ProviderUnavailable):
        read({"content": "Half an"}, finish=reason)


@pytest.mark.parametrize("chunk", [{"choices": ["text"]}, {"choices": [{"delta": {"tool_calls": [{"index": 0}]}}]}])
def test_a_chunk_of_another_form_cannot_be_read(chunk: dict[str, Any]) -> None:
    with pytest.raises(ProviderFailed):
        read_chunk(ChatReader(Prompt(MODEL, (), (), ModelSettings())).read, [chunk])
