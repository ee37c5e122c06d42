"""Questions to models, and their answers taken apart."""

from dataclasses import dataclass, field

from perdure.conversation.v1.message_pb2 import (
    ROLE_ASSISTANT,
    ROLE_SYSTEM,
    ROLE_TOOL,
    ROLE_USER,
    TOOL_STATUS_SUCCESS,
    Image,
    Message,
    Part,
    Role,
    ToolReturn,
)
from perdure.conversation.v1.model_pb2 import ModelSettings, ToolDefinition
from perdure.llm_router.v1.llm_router_service_pb2 import CompleteRequest, Completion, CompletionEvent
from perdure.llm_router.v1.llm_router_service_pb2_grpc import LlmRouterServiceStub

CHAT = "openai/gpt-4o-mini"
RESPONSES = "openai/gpt-5"
CLAUDE = "anthropic/claude-sonnet-4-5-20250929"
GEMINI = "google_ai/gemini-2.5-pro"
GLM = "zai/glm-4.6"
ALL_MODELS = (CHAT, RESPONSES, CLAUDE, GEMINI, GLM)
REASONING_MODELS = (RESPONSES, CLAUDE, GEMINI, GLM)

ROLL_DICE = ToolDefinition(
    name="roll_dice",
    description="Rolls a die.",
    parameters='{"type": "object", "properties": {"num_sides": {"type": "integer"}}, "required": ["num_sides"]}',
)
THINKING = ModelSettings(reasoning=True, reasoning_tokens=1024, max_output_tokens=4096)
PIXEL = Image(data=b"\x89PNG", media_type="image/png")


def say(text: str, role: Role.ValueType = ROLE_USER) -> Message:
    return Message(role=role, parts=[Part(text=text)])


SYSTEM = say("You are terse.", ROLE_SYSTEM)


def spoken(completion: Completion, model: str) -> Message:
    """An answer as it is stored."""
    return Message(role=ROLE_ASSISTANT, model=model, parts=completion.parts)


def returned(completion: Completion, value: str = "7") -> Message:
    """A return for each call of an answer."""
    calls = [part.tool_call for part in completion.parts if part.HasField("tool_call")]
    parts = [ToolReturn(call_id=call.id, name=call.name, status=TOOL_STATUS_SUCCESS, value=value) for call in calls]
    return Message(role=ROLE_TOOL, parts=[Part(tool_return=part) for part in parts])


def question(model: str, *messages: Message | str, **fields: object) -> CompleteRequest:
    asked = [say(message) if isinstance(message, str) else message for message in messages]
    request = CompleteRequest(model=model, messages=[SYSTEM, *asked])
    for name, value in fields.items():
        if isinstance(value, (list, tuple)):
            getattr(request, name).extend(value)
        elif isinstance(value, ModelSettings):
            request.settings.CopyFrom(value)
        else:
            setattr(request, name, value)
    return request


@dataclass
class Heard:
    """What came over the stream, event by event."""

    batches: list[list[CompletionEvent]] = field(default_factory=list)

    @property
    def events(self) -> list[CompletionEvent]:
        return [event for batch in self.batches for event in batch]

    @property
    def completion(self) -> Completion:
        assert self.events[-1].WhichOneof("event") == "completion"
        return self.events[-1].completion

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.completion.parts)

    def grown(self) -> dict[int, str]:
        """The deltas put together, by the index of their part."""
        grown: dict[int, str] = {}
        for event in self.events[:-1]:
            delta = {"text": event.text, "reasoning": event.reasoning, "tool_call": event.tool_call.arguments}
            kind = event.WhichOneof("event")
            assert kind is not None
            grown[event.part_index] = grown.get(event.part_index, "") + delta[kind]
        return grown


async def ask(stub: LlmRouterServiceStub, request: CompleteRequest) -> Heard:
    heard = Heard()
    async for response in stub.Complete(request):
        heard.batches.append(list(response.events))
    return heard
