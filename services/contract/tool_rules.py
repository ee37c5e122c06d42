"""Rules about the order in which an agent calls its tools."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from services.contract.counts import Count
from services.contract.json_object import JsonObject


class Rule(BaseModel):
    """What every rule has. `prompt_template` replaces the words in which the model is told of the rule."""

    tool_name: str
    type: str
    prompt_template: str | None = None


class ChildCall(BaseModel):
    """A call that may follow, with the arguments that it then gets."""

    name: str
    args: JsonObject | None = None


class ChildRule(Rule):
    """After the tool, one of `children` must be called."""

    type: Literal["constrain_child_tools"] = "constrain_child_tools"
    children: list[str]
    child_arg_nodes: list[ChildCall] | None = None


class InitRule(Rule):
    """The tool must be called first, with these arguments where they are given."""

    type: Literal["run_first"] = "run_first"
    args: JsonObject | None = None


class TerminalRule(Rule):
    """The tool ends the turn."""

    type: Literal["exit_loop"] = "exit_loop"


class ConditionalRule(Rule):
    """What the tool returned decides which tool must follow."""

    type: Literal["conditional"] = "conditional"
    default_child: str | None = None
    child_output_mapping: dict[Any, str]  # Any: returned values of every type are keys
    require_output_mapping: bool = False


class ContinueRule(Rule):
    """After the tool, the turn must go on."""

    type: Literal["continue_loop"] = "continue_loop"


class RequiredBeforeExitRule(Rule):
    """The turn cannot end before the tool was called."""

    type: Literal["required_before_exit"] = "required_before_exit"


class MaxCountRule(Rule):
    """The tool may be called this often in one turn."""

    type: Literal["max_count_per_step"] = "max_count_per_step"
    max_count_limit: Count


class ParentRule(Rule):
    """Only after the tool may `children` be called."""

    type: Literal["parent_last_tool"] = "parent_last_tool"
    children: list[str]


class RequiresApprovalRule(Rule):
    """Calls of the tool wait for an approval."""

    type: Literal["requires_approval"] = "requires_approval"


ToolRule = Annotated[
    ChildRule
    | InitRule
    | TerminalRule
    | ConditionalRule
    | ContinueRule
    | RequiredBeforeExitRule
    | MaxCountRule
    | ParentRule
    | RequiresApprovalRule,
    Field(discriminator="type"),
]
