"""What a request sends to an agent, as messages and answers of the turn protocol."""

from base64 import b64decode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from perdure.conversation.v1.message_pb2 import (
    ROLE_ASSISTANT,
    ROLE_SYSTEM,
    ROLE_USER,
    TOOL_STATUS_ERROR,
    TOOL_STATUS_SUCCESS,
    ApprovalAnswer,
    Image,
    Message,
    Part,
    ToolReturn,
)
from services.common.errors import InvalidArgument
from services.contract import content, new_messages, tool_returns

ROLES = {"user": ROLE_USER, "system": ROLE_SYSTEM, "assistant": ROLE_ASSISTANT}


class UnusableContent(InvalidArgument):
    """A message has a part that cannot be sent to an agent."""


@dataclass
class TurnInput:
    """The input of one turn.

    `approval_request_id` names the request message that an old-form answer is for; `approvals` then has one entry
    without a call id. `answer_otid` is the client's id of the answers.
    """

    messages: list[Message] = field(default_factory=list)
    approvals: list[ApprovalAnswer] = field(default_factory=list)
    approval_request_id: str = ""
    answer_otid: str = ""


def read_input(sent: Iterable[new_messages.AnyNewMessage]) -> TurnInput:
    """Sorts what was sent into messages and answers. Raises `UnusableContent`, naming the message."""
    turn = TurnInput()
    for index, one in enumerate(sent):
        if isinstance(one, new_messages.NewMessage):
            turn.messages.append(_message(one, f"messages[{index}].content"))
            continue
        turn.answer_otid = turn.answer_otid or one.otid or ""
        if isinstance(one, new_messages.NewToolReturn):
            turn.approvals += [_result(returned) for returned in one.tool_returns]
        elif one.approvals is not None:
            turn.approvals += [_answer(answer) for answer in one.approvals]
        else:
            turn.approvals.append(ApprovalAnswer(approve=one.approve or False, reason=one.reason or ""))
            turn.approval_request_id = one.approval_request_id or ""
    return turn


def _message(sent: new_messages.NewMessage, where: str) -> Message:
    return Message(
        role=ROLES[sent.role],
        parts=read_parts(sent.content, where),
        otid=sent.otid or "",
        name=sent.name or "",
        sender_id=sent.sender_id or "",
        group_id=sent.group_id or "",
    )


def read_parts(sent: str | Sequence[content.Part], where: str) -> list[Part]:
    """The parts of a message's content; `where` names it in errors."""
    if isinstance(sent, str):
        return [Part(text=sent)]
    return [_part(part, f"{where}[{index}]") for index, part in enumerate(sent)]


def _part(part: content.Part, where: str) -> Part:
    if isinstance(part, content.TextPart):
        return Part(text=part.text)
    if isinstance(part, content.ImagePart):
        return Part(image=_image(part.source, where))
    raise UnusableContent(f"{where} is of type {part.type!r}. A message may hold parts of type 'text' and 'image'.")


def _image(source: content.UrlImage | content.Base64Image | content.StoredImage, where: str) -> Image:
    if isinstance(source, content.UrlImage):
        return Image(url=source.url)
    if source.data is None:
        raise UnusableContent(f"{where} has no data. Send the image's bytes in base64, or its address.")
    try:
        data = b64decode(source.data, validate=True)
    except ValueError as exc:
        raise UnusableContent(f"{where}.source.data is not base64: {exc}.") from exc
    return Image(data=data, media_type=source.media_type or "image/png", detail=source.detail or "")


def _answer(answer: tool_returns.ApprovalAnswer) -> ApprovalAnswer:
    if isinstance(answer, tool_returns.ToolReturn):
        return _result(answer)
    return ApprovalAnswer(call_id=answer.tool_call_id, approve=answer.approve, reason=answer.reason or "")


def _result(returned: tool_returns.ToolReturn) -> ApprovalAnswer:
    parts = read_parts(returned.tool_return, f"tool_return of {returned.tool_call_id}")
    result = ToolReturn(
        call_id=returned.tool_call_id,
        status=TOOL_STATUS_SUCCESS if returned.status == "success" else TOOL_STATUS_ERROR,
        value="\n".join(part.text for part in parts if part.HasField("text")),
        images=[part.image for part in parts if part.HasField("image")],
        stdout=returned.stdout or (),
        stderr=returned.stderr or (),
    )
    return ApprovalAnswer(call_id=returned.tool_call_id, result=result)
