"""The arguments of the tools with which agents talk to other agents."""

from typing import Annotated, TypeVar

from pydantic import BaseModel, Field, ValidationError

from perdure.conversation.v1.message_pb2 import ToolCall
from services.common.call_arguments import CallArguments
from services.common.validation import tell_problems
from services.runs.children.delivery import Undeliverable

Text = Annotated[str, Field(min_length=1)]


class OneReceiver(CallArguments):
    """A message to one agent."""

    message: Text
    other_agent_id: Annotated[str, Field(pattern="^agent-")]


class TaggedReceivers(CallArguments):
    """A message to all agents with every tag of `match_all` and, where `match_some` has any, one of these."""

    message: Text
    match_all: list[Text] = Field(default=[])
    match_some: list[Text] = Field(default=[])


Arguments = TypeVar("Arguments", bound=BaseModel)


def read_arguments(form: type[Arguments], call: ToolCall) -> Arguments:
    """What the model wrote. Raises `Undeliverable`, which names what is wrong."""
    try:
        return form.model_validate_json(call.arguments or "{}")
    except ValidationError as exc:
        raise Undeliverable(f"The arguments are wrong. {'; '.join(tell_problems(exc))}") from exc
