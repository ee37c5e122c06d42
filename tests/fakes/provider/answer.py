"""What the model says to a prompt: it follows the instruction in the last user message."""

import json
import re
from dataclasses import dataclass, replace
from typing import Literal

from tests.fakes.provider.directive import Directive, strip_directives
from tests.fakes.provider.prompt import Prompt, Tool, ToolReturn
from tests.fakes.provider.schema_value import make_value, type_name
from tests.fakes.provider.tokens import count_tokens, split_tokens
from tests.fakes.provider.tool_request import Call, requested_calls

Finish = Literal["stop", "tool_calls", "length", "content_filter"]

_REPLY = re.compile(
    r"\b(?:reply with the message|say)\s+(?:'(.+?)'|\"(.+?)\")(?=[\s.,;!?]|$)", re.IGNORECASE | re.DOTALL
)
_WORDS = re.compile(r"\breply with (\d+) words\b", re.IGNORECASE)
_REMEMBER = re.compile(r"\bremember the word:?\s+(\w+)", re.IGNORECASE)
_RECALL = re.compile(r"\bwhat word did I ask you to remember\b", re.IGNORECASE)
_SUMMARY = re.compile(r"summar", re.IGNORECASE)
_DICE = re.compile(r"(?:\b|_)(?:roll|dice|die)(?:\b|_)", re.IGNORECASE)
_OUTCOME_KEYS = ("message", "output", "result", "content", "outcome")
_THOUGHT = "I look at what was asked for and choose the shortest correct answer."
_ECHOED_CHARACTERS = 200
_INSTRUCTION_CHARACTERS = 300  # where an instruction to summarise stands: at either end of a message


@dataclass(frozen=True)
class Answer:
    """A completion; `reasoning` is empty unless the prompt asked for it."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    finish: Finish = "stop"

    @property
    def reasoning_tokens(self) -> int:
        """Tokens spent on reasoning."""
        return count_tokens(self.reasoning)

    @property
    def tokens(self) -> int:
        """Tokens of the whole completion."""
        spoken = sum(count_tokens(call.name + call.arguments) for call in self.calls) + count_tokens(self.text)
        return spoken + self.reasoning_tokens


def answer_to(prompt: Prompt, directive: Directive) -> Answer:
    """The answer, bent as the directive says."""
    answer = _compose(prompt)
    if prompt.reasons:
        answer = replace(answer, reasoning=_think(directive.reasoning_words))
    if directive.tool_args is not None:
        answer = replace(answer, calls=tuple(Call(call.name, directive.tool_args) for call in answer.calls))
    if directive.empty:
        return Answer(finish=_read_finish(directive) or "stop")
    return _cut_short(answer, _read_finish(directive), prompt.max_output_tokens)


def is_summary_request(prompt: Prompt) -> bool:
    """Whether the prompt asks for a summary, so that instructions within it are not addressed to the model."""
    text = prompt.user_text
    edges = (prompt.system[:_INSTRUCTION_CHARACTERS], text[:_INSTRUCTION_CHARACTERS], text[-_INSTRUCTION_CHARACTERS:])
    return not prompt.tools and any(_SUMMARY.search(edge) for edge in edges)


def _compose(prompt: Prompt) -> Answer:
    if is_summary_request(prompt) and prompt.json_format is None:
        return Answer(text=_summarise(prompt))
    text = strip_directives(_unwrap(prompt.user_text))
    calls = requested_calls(prompt, text) if prompt.choice.mode != "none" else ()
    if calls:
        return Answer(calls=calls, finish="tool_calls")
    if prompt.choice.mode == "required" and prompt.tools:
        return Answer(calls=(_forced_call(prompt, _speak(prompt, text)),), finish="tool_calls")
    return Answer(text=_speak(prompt, text))


def _speak(prompt: Prompt, text: str) -> str:
    if prompt.json_format is not None:
        value = make_value(prompt.json_format.schema or {"properties": {"answer": {}}}, _echo(text))
        return json.dumps(value, ensure_ascii=False)
    if match := _REPLY.search(text):
        return match.group(1) or match.group(2)
    if match := _WORDS.search(text):
        return " ".join(f"w{i}" for i in range(int(match.group(1))))
    if _RECALL.search(text):
        return _recall(prompt)
    returns = _last_round(prompt)
    return _report(prompt, returns) if returns else _echo(text)


def _unwrap(text: str) -> str:
    """The words of a user message that travels in a JSON envelope."""
    try:
        envelope = json.loads(text)
    except ValueError:
        return text
    said = envelope.get("message") if isinstance(envelope, dict) else None
    return said if isinstance(said, str) else text


def _echo(text: str) -> str:
    return f"You said: {text[:_ECHOED_CHARACTERS]}" if text else "You said nothing."


def _remembered(prompt: Prompt) -> list[str]:
    said = (text for turn in prompt.turns if turn.role == "user" for text in turn.texts)
    return [word for text in said for word in _REMEMBER.findall(text)]


def _recall(prompt: Prompt) -> str:
    words = _remembered(prompt)
    return words[-1] if words else "You have not asked me to remember a word."


def _summarise(prompt: Prompt) -> str:
    words = ", ".join(dict.fromkeys(_remembered(prompt)))
    asked = f" Remember the word: {words}." if words else ""
    return f"Summary: the user and the assistant talked; nothing is left to be done.{asked}"


def _report(prompt: Prompt, returns: list[ToolReturn]) -> str:
    names = {call.id or call.name: call.name for turn in prompt.since_user for call in turn.calls}
    outcomes = ", ".join(_outcome(item.text) for item in returns)
    if all(_DICE.search(names.get(item.call, item.call)) for item in returns):
        return f"The roll was {outcomes}"
    return f"The outcome: {outcomes}"


def _last_round(prompt: Prompt) -> list[ToolReturn]:
    """The returns to the most recent calls."""
    since = prompt.since_user
    last = max((i for i, turn in enumerate(since) if turn.calls), default=-1)
    return [item for turn in since[last + 1 :] for item in turn.returns]


def _outcome(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        return text.strip()
    while isinstance(value, dict) and (key := next((key for key in _OUTCOME_KEYS if key in value), None)):
        value = value[key]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _forced_call(prompt: Prompt, text: str) -> Call:
    """A call made because the request demands one: to the tool that can carry a message, or else the first."""
    tools = [tool for tool in prompt.tools if prompt.choice.name in (None, tool.name)] or list(prompt.tools)
    tool = next((tool for tool in tools if _message_parameter(tool)), tools[0])
    arguments = make_value({**tool.parameters, "type": "object"}, "something")
    required = tool.parameters.get("required", [])
    kept = {name: value for name, value in arguments.items() if name in required}
    if parameter := _message_parameter(tool):
        kept[parameter] = text
    return Call(tool.name, json.dumps(kept, ensure_ascii=False))


def _message_parameter(tool: Tool) -> str | None:
    properties = tool.parameters.get("properties", {})
    names = ("message", "text", "content", "answer")
    return next((name for name in names if name in properties and type_name(properties[name]) == "string"), None)


def _think(words: int | None) -> str:
    return _THOUGHT if words is None else " ".join(f"r{i}" for i in range(words))


def _read_finish(directive: Directive) -> Finish | None:
    finishes: dict[str | None, Finish] = {"length": "length", "content_filter": "content_filter", "stop": "stop"}
    return finishes.get(directive.finish)


def _cut_short(answer: Answer, finish: Finish | None, limit: int | None) -> Answer:
    pieces = split_tokens(answer.text)
    if finish in ("length", "content_filter"):
        return replace(answer, text="".join(pieces[: max(1, len(pieces) // 2)]), finish=finish)
    if limit is not None and not answer.calls and len(pieces) > max(0, limit - answer.reasoning_tokens):
        return replace(answer, text="".join(pieces[: max(0, limit - answer.reasoning_tokens)]), finish="length")
    return replace(answer, finish=finish) if finish else answer
