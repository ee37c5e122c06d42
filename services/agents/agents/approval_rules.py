"""Rules that make the calls of a tool wait for an approval."""

from collections.abc import Iterable, Sequence

from perdure.conversation.v1.model_pb2 import ToolDefinition
from services.contract.tool_rules import RequiresApprovalRule, ToolRule


def demand_approval(rules: Sequence[ToolRule], names: Iterable[str]) -> list[ToolRule]:
    """The rules, so that every call of these tools waits."""
    asked = {rule.tool_name for rule in rules if isinstance(rule, RequiresApprovalRule)}
    return [*rules, *(RequiresApprovalRule(tool_name=name) for name in names if name not in asked)]


def spare_approval(rules: Sequence[ToolRule], name: str) -> list[ToolRule]:
    """The rules, so that none makes calls of this tool wait."""
    return [rule for rule in rules if not (isinstance(rule, RequiresApprovalRule) and rule.tool_name == name)]


def follow_defaults(rules: Sequence[ToolRule], given: Iterable[ToolDefinition]) -> list[ToolRule]:
    """The rules of an agent that gets these tools: those that ask for approval by default do so there."""
    return demand_approval(rules, [tool.name for tool in given if tool.requires_approval])
