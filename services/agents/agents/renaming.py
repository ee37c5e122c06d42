"""Rules of an agent one of whose tools gets another name."""

from collections.abc import Sequence
from typing import Any

from services.contract.tool_rules import ChildRule, ConditionalRule, ParentRule, ToolRule


def rename_tool(rules: Sequence[ToolRule], old: str, new: str) -> list[ToolRule]:
    """The rules, with the new name wherever the old one stood."""
    return [rule.model_copy(update=_renamed(rule, old, new)) for rule in rules]


def _renamed(rule: ToolRule, old: str, new: str) -> dict[str, Any]:
    def name(each: str) -> str:
        return new if each == old else each

    fields: dict[str, Any] = {"tool_name": name(rule.tool_name)}
    if isinstance(rule, ChildRule | ParentRule):
        fields["children"] = [name(child) for child in rule.children]
    if isinstance(rule, ChildRule) and rule.child_arg_nodes:
        fields["child_arg_nodes"] = [node.model_copy(update={"name": name(node.name)}) for node in rule.child_arg_nodes]
    if isinstance(rule, ConditionalRule):
        fields["child_output_mapping"] = {key: name(child) for key, child in rule.child_output_mapping.items()}
        fields["default_child"] = name(rule.default_child) if rule.default_child else rule.default_child
    return fields
