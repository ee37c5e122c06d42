"""Messages as they are stored and sent to the model: the form that the context overview shows."""

from typing import Literal

from pydantic import BaseModel

from services.contract.audit import Audited
from services.contract.content import Part, ShownPart
from services.contract.tool_returns import ApprovalAnswer, ReturnStatus


class StoredFunction(BaseModel):
    """The function of a stored call; `arguments` is JSON text."""

    arguments: str
    name: str


class StoredToolCall(BaseModel):
    """A call of a tool, in the form of OpenAI's chat completions."""

    id: str
    function: StoredFunction
    type: Literal["function"] = "function"


class StoredToolReturn(BaseModel):
    """What a stored call returned."""

    tool_call_id: str | None = None
    status: ReturnStatus
    stdout: list[str] | None = None
    stderr: list[str] | None = None
    func_response: str | list[ShownPart] | None = None


class StoredMessage(Audited):
    """One message whole, where the API otherwise shows its pieces."""

    id: str
    agent_id: str | None = None
    model: str | None = None
    role: Literal["assistant", "user", "tool", "function", "system", "approval", "summary"]
    content: list[Part] | None = None
    name: str | None = None
    tool_calls: list[StoredToolCall] | None = None
    tool_call_id: str | None = None
    step_id: str | None = None
    run_id: str | None = None
    otid: str | None = None
    tool_returns: list[StoredToolReturn] | None = None
    group_id: str | None = None
    sender_id: str | None = None
    batch_item_id: str | None = None
    conversation_id: str | None = None
    is_err: bool | None = None
    approval_request_id: str | None = None
    approve: bool | None = None
    denial_reason: str | None = None
    approvals: list[ApprovalAnswer] | None = None
