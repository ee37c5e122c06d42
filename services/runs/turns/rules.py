"""The rules on an agent's tools: which may be called next, whether one must be, and which call ends the turn.

They look at the calls of the turn so far, which stand in its committed messages: a new owner finds them there.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import orjson
from pydantic import TypeAdapter

from perdure.conversation.v1.message_pb2 import (
    ROLE_SUMMARY,
    ROLE_SYSTEM,
    ROLE_TOOL,
    ROLE_USER,
    TOOL_STATUS_SUCCESS,
    Message,
    ToolCall,
    ToolReturn,
)
from services.contract.tool_rules import (
    ChildRule,
    ConditionalRule,
    ContinueRule,
    InitRule,
    MaxCountRule,
    ParentRule,
    RequiredBeforeExitRule,
    TerminalRule,
    ToolRule,
)

_RULES: TypeAdapter[list[ToolRule]] = TypeAdapter(list[ToolRule])
_BEGINNINGS = (ROLE_USER, ROLE_SYSTEM, ROLE_SUMMARY)

Steps = Sequence[Sequence[ToolReturn]]  # the calls of a turn that were carried out: what they returned, by step
Arguments = Mapping[str, Any]  # JSON


@dataclass(frozen=True)
class Rules:
    """The rules of one agent."""

    rules: Sequence[ToolRule] = ()

    @classmethod
    def read(cls, text: str) -> "Rules":
        """From the public API's JSON list; an empty text has none."""
        return cls(_RULES.validate_json(text) if text else ())

    def allowed(self, steps: Steps, tools: Collection[str]) -> set[str]:
        """Which of an agent's tools may be called next."""
        followers = self._first(steps, tools) or self._followers(steps)
        allowed = set(tools) if followers is None else followers & set(tools)
        return allowed - self._used_up(steps) - self._orphans(steps) - self._too_early(steps, tools)

    def must_call(self, steps: Steps, tools: Collection[str]) -> bool:
        """Whether the turn cannot end with words yet: a tool has to follow, and one may."""
        must = self._first(steps, tools) or self._followers(steps) or self._missing(steps, tools)
        return bool(must) and bool(self.allowed(steps, tools))

    def refusals(self, calls: Sequence[ToolCall], steps: Steps, tools: Collection[str]) -> dict[str, str]:
        """Of an answer's calls those that break a rule: why, by call id. Tools that the agent lacks are no matter."""
        refused: dict[str, str] = {}
        made: list[ToolReturn] = []
        allowed = self.allowed(steps, tools)
        for call in calls:
            now = allowed - self._used_up([*steps, made])
            wanted = self.arguments(call.name, steps)
            if call.name in tools and call.name not in now:
                refused[call.id] = f"Error: {call.name} may not be called now. {_tell(now)}"
            elif not _has(call, wanted):
                given = orjson.dumps(wanted).decode()
                refused[call.id] = f"Error: {call.name} has to be called with these arguments now: {given}."
            else:
                made.append(ToolReturn(name=call.name))
        return refused

    def arguments(self, name: str, steps: Steps) -> Arguments:
        """The arguments that a call of the tool must have now."""
        if not steps:
            return _merged(rule.args for rule in self.rules if isinstance(rule, InitRule) and rule.tool_name == name)
        nodes = chain.from_iterable(
            rule.child_arg_nodes or () for rule in self.rules if isinstance(rule, ChildRule) and _follows(rule, steps)
        )
        return _merged(node.args for node in nodes if node.name == name)

    def ends_turn(self, names: Collection[str]) -> bool:
        """Whether calls of these tools end the turn."""
        return any(isinstance(rule, TerminalRule) and rule.tool_name in names for rule in self.rules)

    def goes_on(self, names: Collection[str]) -> bool:
        """Whether the turn goes on after calls of these tools."""
        return any(isinstance(rule, ContinueRule | ConditionalRule) and rule.tool_name in names for rule in self.rules)

    def _first(self, steps: Steps, tools: Collection[str]) -> set[str]:
        """The tools that a turn must begin with, at its beginning."""
        if steps:
            return set()
        return {rule.tool_name for rule in self.rules if isinstance(rule, InitRule)} & set(tools)

    def _followers(self, steps: Steps) -> set[str] | None:
        """The tools of which one must follow the calls of the last step; None: none has to."""
        found = [rule for rule in self.rules if isinstance(rule, ChildRule | ConditionalRule) and _follows(rule, steps)]
        sets = [named for rule in found if (named := _named_by(rule, steps)) is not None]
        return set().union(*sets) if sets else None

    def _used_up(self, steps: Steps) -> set[str]:
        names = [returned.name for step in steps for returned in step]
        limits = (rule for rule in self.rules if isinstance(rule, MaxCountRule))
        return {rule.tool_name for rule in limits if names.count(rule.tool_name) >= rule.max_count_limit}

    def _orphans(self, steps: Steps) -> set[str]:
        """The tools that may only follow another one, which the last step did not call."""
        parents = [rule for rule in self.rules if isinstance(rule, ParentRule)]
        free = {child for rule in parents if _follows(rule, steps) for child in rule.children}
        return {child for rule in parents for child in rule.children} - free

    def _missing(self, steps: Steps, tools: Collection[str]) -> set[str]:
        """The tools that have to be called before the turn may end."""
        made = {returned.name for step in steps for returned in step}
        required = {rule.tool_name for rule in self.rules if isinstance(rule, RequiredBeforeExitRule)}
        return (required & set(tools)) - made

    def _too_early(self, steps: Steps, tools: Collection[str]) -> set[str]:
        """The tools that would end the turn while others are missing."""
        missing = self._missing(steps, tools)
        ending = {rule.tool_name for rule in self.rules if isinstance(rule, TerminalRule)}
        return {name for name in ending if missing - {name}}


def carried_out(returns: Sequence[ToolReturn]) -> list[ToolReturn]:
    """Those of calls that were made, by the server or the client: not refused, denied or interrupted."""
    return [returned for returned in returns if returned.executed or returned.status == TOOL_STATUS_SUCCESS]


def turn_steps(window: Sequence[Message]) -> list[list[ToolReturn]]:
    """The calls that were carried out since the window's last input, by step."""
    steps: list[list[ToolReturn]] = []
    for message in reversed(window):
        if message.role in _BEGINNINGS:
            break
        if message.role == ROLE_TOOL:
            steps.append(carried_out([part.tool_return for part in message.parts]))
    return [step for step in reversed(steps) if step]


def _follows(rule: ToolRule, steps: Steps) -> bool:
    return bool(steps) and any(returned.name == rule.tool_name for returned in steps[-1])


def _named_by(rule: ChildRule | ConditionalRule, steps: Steps) -> set[str] | None:
    """The tools that a rule on the last step wants next; None where it leaves it open."""
    if isinstance(rule, ChildRule):
        return set(rule.children)
    value = next(returned.value for returned in steps[-1] if returned.name == rule.tool_name)
    child = next((child for key, child in rule.child_output_mapping.items() if _equals(key, value)), rule.default_child)
    if child is None:
        return set() if rule.require_output_mapping else None
    return {child}


def _equals(key: object, value: str) -> bool:
    """Whether a tool returned the key of a mapping: JSON has texts for keys, and tools return True for true."""
    return str(key).lower() == value.strip().lower()


def _merged(arguments: Iterator[Arguments | None]) -> Arguments:
    return {name: value for each in arguments for name, value in (each or {}).items()}


def _has(call: ToolCall, wanted: Arguments) -> bool:
    if not wanted:
        return True
    try:
        given = orjson.loads(call.arguments)
    except orjson.JSONDecodeError:
        return True  # refused for that
    return isinstance(given, dict) and given.items() >= wanted.items()


def _tell(allowed: Collection[str]) -> str:
    return f"You may call: {', '.join(sorted(allowed))}." if allowed else "Answer without calling a tool."
