"""Messages as callers send them."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Discriminator, Tag, model_validator
from pydantic_core import PydanticCustomError

from services.contract.content import Content
from services.contract.tool_returns import ApprovalAnswer, ToolReturn


class NewMessage(BaseModel):
    """Something said to an agent. `otid` is the caller's own id of the message."""

    type: Literal["message"] | None = "message"
    otid: str | None = None
    group_id: str | None = None
    role: Literal["user", "system", "assistant"]
    content: Content
    name: str | None = None
    sender_id: str | None = None
    batch_item_id: str | None = None


class NewApproval(BaseModel):
    """Answers to a request for approval: `approvals`, or the older single form for the whole request."""

    type: Literal["approval"] = "approval"
    otid: str | None = None
    group_id: str | None = None
    approvals: list[ApprovalAnswer] | None = None
    approve: bool | None = None
    approval_request_id: str | None = None
    reason: str | None = None

    @model_validator(mode="after")
    def _answers_something(self) -> Self:
        if self.approvals is None and self.approve is None:
            raise PydanticCustomError("missing", "Either 'approvals' or 'approve' is required")
        return self


class NewToolReturn(BaseModel):
    """Results of tools that ran at the client."""

    type: Literal["tool_return"] = "tool_return"
    otid: str | None = None
    group_id: str | None = None
    tool_returns: list[ToolReturn]


def _type_of(message: object) -> str | None:
    kind = message.get("type") if isinstance(message, dict) else getattr(message, "type", None)
    return "message" if kind is None else str(kind)


AnyNewMessage = Annotated[
    Annotated[NewMessage, Tag("message")]
    | Annotated[NewApproval, Tag("approval")]
    | Annotated[NewToolReturn, Tag("tool_return")],
    Discriminator(
        _type_of,
        custom_error_type="message_type",
        custom_error_message="The type of a message should be 'message', 'approval' or 'tool_return'",
    ),
]
