"""The rules on an agent's tools: which may be called next, whether one must be, and which call ends the turn.

They look at the calls of the turn so far that are settled. One that the client denied counts as called where a call is
demanded, so that the model may answer in words; it neither lets others follow nor uses a count up. Rules that together
leave no tool let the model answer in words, too.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import orjson
from pydantic import TypeAdapter

from perdure.conversation.v1.message_pb2 import ToolCall
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
from services.runs.turns.arguments import read_arguments
from services.runs.turns.settled import SettledCall

_RULES: TypeAdapter[list[ToolRule]] = TypeAdapter(list[ToolRule])
_SAME = {"null": "none"}  # what JSON calls a value, and what tools return for it

Steps = Sequence[Sequence[SettledCall]]  # those of a turn
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
        """Which of an agent's tools may be called next.

        A rule on the first call that no tool can keep has no effect; where none can follow as the rules want, those may
        that the turn cannot end without.
        """
        free = set(tools) - self._used_up(steps) - self._orphans(steps) - self._too_early(steps, tools)
        first, followers = self._first(steps) & free, self._followers(steps)
        if first or followers is None:
            return first or free
        return followers & free or self._missing(steps, tools) & free

    def demanded(self, steps: Steps, tools: Collection[str]) -> set[str]:
        """The tools of which one has to be called before the turn can end with words; none: it can.

        All that may be called, where those that the rules name have to wait for others.
        """
        allowed = self.allowed(steps, tools)
        named = self._first(steps) & allowed or self._followers(steps) or self._missing(steps, tools)
        return named & allowed or allowed if named else set()

    def must_call(self, steps: Steps, tools: Collection[str]) -> bool:
        """Whether the turn cannot end with words yet: a tool has to follow, and one may."""
        return bool(self.demanded(steps, tools))

    def refusals(self, calls: Sequence[ToolCall], steps: Steps, tools: Collection[str]) -> dict[str, str]:
        """Of an answer's calls those that break a rule: why, by call id. Tools that the agent lacks are no matter."""
        refused: dict[str, str] = {}
        made: list[SettledCall] = []
        allowed = self.allowed(steps, tools)
        for call in calls:
            now = allowed - self._used_up([*steps, made])
            if call.name in tools and call.name not in now:
                refused[call.id] = f"Error: {call.name} may not be called now. {_tell(now)}"
            else:
                made.append(SettledCall(call.name))
        return refused

    def arguments(self, name: str, steps: Steps) -> Arguments:
        """The arguments that a call of the tool gets now, whatever the model gives."""
        if not steps:
            return _merged(rule.args for rule in self.rules if isinstance(rule, InitRule) and rule.tool_name == name)
        nodes = chain.from_iterable(
            rule.child_arg_nodes or () for rule in self.rules if isinstance(rule, ChildRule) and _follows(rule, steps)
        )
        return _merged(node.args for node in nodes if node.name == name)

    def fill_in(self, calls: Iterable[ToolCall], steps: Steps) -> None:
        """Puts those arguments into calls, in place of the model's. Calls that are not JSON stay: they are refused."""
        for call in calls:
            fixed = self.arguments(call.name, steps)
            given = read_arguments(call.arguments) if fixed else None
            if given is not None:
                call.arguments = orjson.dumps({**given, **fixed}).decode()

    def ends_turn(self, names: Collection[str]) -> bool:
        """Whether calls of these tools end the turn."""
        return any(isinstance(rule, TerminalRule) and rule.tool_name in names for rule in self.rules)

    def goes_on(self, names: Collection[str]) -> bool:
        """Whether the turn goes on after calls of these tools."""
        return any(isinstance(rule, ContinueRule | ConditionalRule) and rule.tool_name in names for rule in self.rules)

    def _first(self, steps: Steps) -> set[str]:
        """The tools that a turn must begin with, at its beginning."""
        return set() if steps else {rule.tool_name for rule in self.rules if isinstance(rule, InitRule)}

    def _followers(self, steps: Steps) -> set[str] | None:
        """The tools of which one must follow the calls of the last step; None: none has to.

        Those that all rules on the step name; where they agree on none, those that any names.
        """
        found = [rule for rule in self.rules if isinstance(rule, ChildRule | ConditionalRule) and _follows(rule, steps)]
        sets = [named for rule in found if (named := _named_by(rule, steps)) is not None]
        return (set.intersection(*sets) or set.union(*sets)) if sets else None

    def _used_up(self, steps: Steps) -> set[str]:
        names = [call.name for step in steps for call in step if not call.is_denied]
        limits = (rule for rule in self.rules if isinstance(rule, MaxCountRule))
        return {rule.tool_name for rule in limits if names.count(rule.tool_name) >= rule.max_count_limit}

    def _orphans(self, steps: Steps) -> set[str]:
        """The tools that may only follow another one, which the last step did not call."""
        parents = [rule for rule in self.rules if isinstance(rule, ParentRule)]
        free = {child for rule in parents if _follows(rule, steps) for child in rule.children}
        return {child for rule in parents for child in rule.children} - free

    def _missing(self, steps: Steps, tools: Collection[str]) -> set[str]:
        """The tools that have to be called before the turn may end, and still can be."""
        called = {call.name for step in steps for call in step}
        required = {rule.tool_name for rule in self.rules if isinstance(rule, RequiredBeforeExitRule)}
        return (required & set(tools)) - called - self._used_up(steps) - self._unreachable(tools)

    def _unreachable(self, tools: Collection[str]) -> set[str]:
        """The tools that may only follow others, of which the agent has none."""
        parents = [rule for rule in self.rules if isinstance(rule, ParentRule)]
        reachable = {child for rule in parents if rule.tool_name in tools for child in rule.children}
        return {child for rule in parents for child in rule.children} - reachable

    def _too_early(self, steps: Steps, tools: Collection[str]) -> set[str]:
        """The tools that would end the turn while others are missing."""
        missing = self._missing(steps, tools)
        ending = {rule.tool_name for rule in self.rules if isinstance(rule, TerminalRule)}
        return {name for name in ending if missing - {name}}


def _follows(rule: ToolRule, steps: Steps) -> bool:
    return bool(steps) and any(call.name == rule.tool_name and not call.is_denied for call in steps[-1])


def _named_by(rule: ChildRule | ConditionalRule, steps: Steps) -> set[str] | None:
    """The tools that a rule on the last step wants next; None where it leaves it open."""
    if isinstance(rule, ChildRule):
        return set(rule.children)
    value = next(call.value for call in steps[-1] if call.name == rule.tool_name and not call.is_denied)
    named = {child for key, child in rule.child_output_mapping.items() if _equals(key, value)}
    if named or rule.require_output_mapping:
        return named
    return {rule.default_child} if rule.default_child else None


def _equals(key: object, value: str) -> bool:
    """Whether a tool returned the key of a mapping: JSON has texts for keys, and tools return True for true."""
    text, found = str(key).lower(), value.strip().lower()
    return found in (text, _SAME.get(text))


def _merged(arguments: Iterator[Arguments | None]) -> Arguments:
    return {name: value for each in arguments for name, value in (each or {}).items()}


def _tell(allowed: Collection[str]) -> str:
    return f"You may call: {', '.join(sorted(allowed))}." if allowed else "Answer without calling a tool."
