"""The system message: the agent's prompt with its memory and rules compiled into it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from services.contract.blocks import Block
from services.contract.tool_rules import ChildRule, ConditionalRule, MaxCountRule, ParentRule, ToolRule

BLOCKS_INTRO = "These blocks of your memory are in front of you now:"
RULES_INTRO = "Keep to these rules when you call tools. You may call several tools in one response."
LINE_NUMBERS_WARNING = (
    "The numbers before the lines (like '1→ ') only help you to point at a line. They are not part of the value: "
    "leave them out when you edit it."
)

_RULES = {
    "constrain_child_tools": "After {name}, the next call must be one of: {children}.",
    "run_first": "{name} must be your first call.",
    "exit_loop": "{name} ends your response: nothing comes after it.",
    "continue_loop": "After {name}, go on with your response.",
    "required_before_exit": "You cannot end before you have called {name}.",
    "max_count_per_step": "Call {name} at most {limit} times in one response.",
    "parent_last_tool": "Only right after {name} may you call: {children}.",
    "requires_approval": "Each call of {name} waits until it is approved.",
}


@dataclass(frozen=True)
class PromptSource:
    """What a system message is compiled from. `now` is UTC; `conversation` is "default" or "conv-<uuid4>".

    `directories` shows the agent's folders as they are printed; empty without folders.
    """

    agent_id: str
    system: str
    model: str
    timezone: str
    tool_rules: Sequence[ToolRule]
    blocks: Sequence[Block]
    directories: str
    conversation: str
    recall_messages: int
    now: datetime


@dataclass(frozen=True)
class Prompt:
    """The parts of a system message, each whole with its element, empty where there is nothing to say."""

    system: str
    memory_blocks: str
    tool_usage_rules: str
    directories: str
    memory_metadata: str

    def __str__(self) -> str:
        """The text that the model sees."""
        parts = (self.system, self.memory_blocks, self.tool_usage_rules, self.directories, self.memory_metadata)
        return "\n\n".join(part for part in parts if part)


def compile_prompt(source: PromptSource) -> Prompt:
    """The parts of the system message."""
    return Prompt(
        system=source.system,
        memory_blocks=_memory_blocks(source.blocks, numbered=source.model.startswith("anthropic/")),
        tool_usage_rules=_tool_usage_rules(source.tool_rules),
        directories=source.directories,
        memory_metadata=_memory_metadata(source),
    )


def _memory_blocks(blocks: Sequence[Block], *, numbered: bool) -> str:
    if not blocks:
        return ""
    shown = "".join(f"{_block(block, numbered=numbered)}\n\n" for block in blocks)
    return f"<memory_blocks>\n{BLOCKS_INTRO}\n\n{shown}</memory_blocks>"


def _block(block: Block, *, numbered: bool) -> str:
    lines = [f"<{block.label}>", "<description>", block.description or "", "</description>", "<metadata>"]
    lines += ["- read_only=true"] if block.read_only else []
    lines += [f"- chars_current={len(block.value)}", f"- chars_limit={block.limit}", "</metadata>"]
    lines += ["<warning>", LINE_NUMBERS_WARNING, "</warning>"] if numbered else []
    lines += ["<value>", *_value(block.value, numbered=numbered), "</value>", f"</{block.label}>"]
    return "\n".join(lines)


def _value(value: str, *, numbered: bool) -> list[str]:
    if not numbered:
        return [value]
    return [f"{number}→ {line}" for number, line in enumerate(value.split("\n"), 1)] if value else []


def _tool_usage_rules(rules: Sequence[ToolRule]) -> str:
    if not rules:
        return ""
    shown = "".join(f"<tool_rule>\n{_rule(rule)}\n</tool_rule>\n" for rule in rules)
    return f"<tool_usage_rules>\n{RULES_INTRO}\n\n{shown}</tool_usage_rules>"


def _rule(rule: ToolRule) -> str:
    """What the model is told of a rule; a template of the rule's own may name `{{ tool_name }}`."""
    if rule.prompt_template:
        return rule.prompt_template.replace("{{ tool_name }}", rule.tool_name)
    if isinstance(rule, ConditionalRule):
        return _conditional(rule)
    children = ", ".join(rule.children) if isinstance(rule, ChildRule | ParentRule) else ""
    limit = rule.max_count_limit if isinstance(rule, MaxCountRule) else 0
    return _RULES[rule.type].format(name=rule.tool_name, children=children, limit=limit)


def _conditional(rule: ConditionalRule) -> str:
    cases = [f"{tool} when it returns {value}" for value, tool in rule.child_output_mapping.items()]
    otherwise = "no tool" if rule.require_output_mapping else rule.default_child
    cases += [f"otherwise {otherwise}"] if otherwise else []
    return f"What {rule.tool_name} returns decides the next call: {'; '.join(cases)}."


def _memory_metadata(source: PromptSource) -> str:
    lines = [
        f"- AGENT_ID: {source.agent_id}",
        f"- CONVERSATION_ID: {source.conversation}",
        f"- System prompt last recompiled: {local_time(source.now, source.timezone)}",
        f"- {source.recall_messages} earlier messages are in recall memory, outside this context",
    ]
    return "\n".join(("<memory_metadata>", *lines, "</memory_metadata>"))


def local_time(time: datetime, timezone: str) -> str:
    """A time as models are told it: "2026-11-20 11:03:23 AM CET+0100"."""
    return time.astimezone(ZoneInfo(timezone)).strftime("%Y-%m-%d %I:%M:%S %p %Z%z")
