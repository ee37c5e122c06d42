"""Conversations of every kind that may be stored, imported or edited, however little sense they make."""

from collections.abc import Callable
from random import Random

import orjson

from perdure.conversation.v1.message_pb2 import (
    ROLE_APPROVAL,
    ROLE_ASSISTANT,
    ROLE_SUMMARY,
    ROLE_SYSTEM,
    ROLE_TOOL,
    ROLE_USER,
    TOOL_STATUS_ERROR,
    TOOL_STATUS_SUCCESS,
    Image,
    Message,
    Part,
    Reasoning,
    ToolCall,
    ToolReturn,
)
from tests.fakes.provider.seal import seal
from tests.llm_router.asking import ALL_MODELS, PIXEL

TEXTS = ("", " ", "\n", "hello", "é漢字🙂", "ends in space ")
IDS = ("", "call_0", "call_1", "functions.look:0", "x" * 41, "x" * 70, "a b", "é", "Ab3dEf9hJ")
NAMES = ("look", "3d", "-x", "a.b", "get weather", "", "n" * 70, "漢字")
ARGUMENTS = ("", "{}", '{"a": 1}', "{oops", "[1]", "null", "3", '{"a": "\\ud800"}', '{"a": NaN}', '{"a": "\\u0000"}')
IMAGES = (
    PIXEL,
    Image(),
    Image(url="https://pictures.example/a.png"),
    Image(url="data:image/png;base64,iVBORw0K"),
    Image(data=b"<svg/>", media_type="image/svg+xml"),
    Image(data=b"\x89PNG", media_type="image/jpg"),
)
MODELS = (*ALL_MODELS, "mistral/mistral-large", "")


def make_history(random: Random) -> list[Message]:
    """Up to eight messages of any role; calls often have their returns behind them."""
    history: list[Message] = []
    for _ in range(random.randrange(9)):
        message = random.choice(_MAKERS)(random)
        history.append(message)
        calls = [part.tool_call for part in message.parts if part.HasField("tool_call")]
        if calls and random.random() < 0.7:
            parts = [Part(tool_return=_make_return(random, call.id)) for call in calls]
            history.append(Message(role=ROLE_TOOL, parts=parts))
    return history


def _make_said(random: Random) -> Message:
    role = random.choice((ROLE_USER, ROLE_USER, ROLE_SYSTEM, ROLE_SUMMARY))
    return Message(role=role, parts=[_make_shown(random) for _ in range(random.randrange(3))])


def _make_answer(random: Random) -> Message:
    model = random.choice(MODELS)
    makers = (_make_call, _make_call, _make_shown, lambda random: _make_thought(random, model))
    parts = [random.choice(makers)(random) for _ in range(random.randrange(5))]
    return Message(role=ROLE_ASSISTANT, model=model, parts=parts)


def _make_stray(random: Random) -> Message:
    if random.random() < 0.3:
        return Message(role=ROLE_APPROVAL)
    return Message(role=ROLE_TOOL, parts=[Part(tool_return=_make_return(random, random.choice(IDS)))])


def _make_shown(random: Random) -> Part:
    return Part(image=random.choice(IMAGES)) if random.random() < 0.3 else Part(text=random.choice(TEXTS))


def _make_call(random: Random) -> Part:
    call = ToolCall(id=random.choice(IDS), name=random.choice(NAMES), arguments=random.choice(ARGUMENTS))
    return Part(tool_call=call)


def _make_return(random: Random, call_id: str) -> ToolReturn:
    images = [random.choice(IMAGES)] if random.random() < 0.2 else []
    status = random.choice((TOOL_STATUS_SUCCESS, TOOL_STATUS_ERROR))
    return ToolReturn(call_id=call_id, name="look", status=status, value=random.choice(TEXTS), images=images)


def _make_thought(random: Random, model: str) -> Part:
    """A thought with what its provider wants back; some came without."""
    text = random.choice(("hm", "so"))
    data = {
        "anthropic": {"signature": seal(text)},
        "openai": {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": seal(text)},
        "google_ai": {"thoughtSignature": seal(text)},
    }.get(model.partition("/")[0])
    kept = orjson.dumps(data) if data and random.random() < 0.7 else b""
    return Part(reasoning=Reasoning(text=text), provider_data=kept)


_MAKERS: tuple[Callable[[Random], Message], ...] = (_make_said, _make_said, _make_answer, _make_answer, _make_stray)
