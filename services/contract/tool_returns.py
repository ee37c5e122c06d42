"""Results of tool calls and answers to requests for approval, in both directions."""

from typing import Annotated, Literal

from pydantic import BaseModel, Discriminator, Tag

from services.contract.content import ShownContent

ReturnStatus = Literal["success", "error"]


class ToolReturn(BaseModel):
    """What one tool call returned."""

    type: Literal["tool"] = "tool"
    tool_return: ShownContent
    status: ReturnStatus
    tool_call_id: str
    stdout: list[str] | None = None
    stderr: list[str] | None = None


class Approval(BaseModel):
    """A decision on one tool call."""

    type: Literal["approval"] = "approval"
    tool_call_id: str
    approve: bool
    reason: str | None = None


def _kind_of(answer: object) -> str:
    if isinstance(answer, dict):
        return "tool" if answer.get("type") == "tool" or "tool_return" in answer else "approval"
    return "tool" if isinstance(answer, ToolReturn) else "approval"


# `type` may be missing: the other fields tell the two apart.
ApprovalAnswer = Annotated[
    Annotated[Approval, Tag("approval")] | Annotated[ToolReturn, Tag("tool")],
    Discriminator(_kind_of),
]
