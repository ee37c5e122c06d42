"""Settings of a model, in the form of the provider that runs it."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, FiniteFloat

from services.contract.counts import MAX_COUNT, Count, PositiveCount
from services.contract.json_object import JsonObject

Verbosity = Literal["low", "medium", "high"]
Effort = Literal["low", "medium", "high", "max"]
ReasoningEffort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]


class TextFormat(BaseModel):
    """The model answers in words."""

    type: Literal["text"] = "text"


class JsonSchemaFormat(BaseModel):
    """The model answers JSON that fits a schema."""

    type: Literal["json_schema"] = "json_schema"
    json_schema: JsonObject


class JsonObjectFormat(BaseModel):
    """The model answers some JSON object."""

    type: Literal["json_object"] = "json_object"


ResponseFormat = Annotated[TextFormat | JsonSchemaFormat | JsonObjectFormat, Field(discriminator="type")]


class CommonSettings(BaseModel):
    """What every provider knows, in the order in which it is printed."""

    max_output_tokens: PositiveCount = 4096
    parallel_tool_calls: bool = True
    provider_type: str
    temperature: FiniteFloat = 0.7


class OpenAIReasoning(BaseModel):
    """How hard an OpenAI model thinks."""

    reasoning_effort: ReasoningEffort = "minimal"


class OpenAISettings(CommonSettings):
    """Settings of OpenAI's models."""

    provider_type: Literal["openai"] = "openai"
    reasoning: OpenAIReasoning = OpenAIReasoning(reasoning_effort="high")
    response_format: ResponseFormat | None = None
    strict: bool = True


class SGLangSettings(CommonSettings):
    """Settings of models served by SGLang."""

    provider_type: Literal["sglang"] = "sglang"
    reasoning: OpenAIReasoning = OpenAIReasoning(reasoning_effort="high")
    response_format: ResponseFormat | None = None
    strict: bool = True
    tool_call_parser: str | None = None


class AnthropicThinking(BaseModel):
    """Whether an Anthropic model thinks, and for how many tokens."""

    type: Literal["enabled", "disabled"] = "enabled"
    budget_tokens: Count = 1024


class AnthropicSettings(CommonSettings):
    """Settings of Anthropic's models."""

    provider_type: Literal["anthropic"] = "anthropic"
    temperature: FiniteFloat = 1.0
    thinking: AnthropicThinking = AnthropicThinking()
    response_format: ResponseFormat | None = None
    verbosity: Verbosity | None = None
    effort: Effort | None = None
    strict: bool = False


class GeminiThinking(BaseModel):
    """Whether a Gemini model shows its thoughts, and for how many tokens it thinks."""

    include_thoughts: bool = True
    thinking_budget: int = Field(default=1024, ge=-1, le=MAX_COUNT)  # -1: as the model sees fit


class GoogleSettings(CommonSettings):
    """What both of Google's services know. The format of the answer is called `response_schema` here."""

    max_output_tokens: PositiveCount = 65536
    thinking_config: GeminiThinking = GeminiThinking()
    response_schema: ResponseFormat | None = None


class GoogleAISettings(GoogleSettings):
    """Settings of models of Google AI."""

    provider_type: Literal["google_ai"] = "google_ai"


class GoogleVertexSettings(GoogleSettings):
    """Settings of models of Vertex AI."""

    provider_type: Literal["google_vertex"] = "google_vertex"


class ZaiThinking(BaseModel):
    """Whether a model of Z.ai thinks, and whether it forgets its earlier thoughts."""

    type: Literal["enabled", "disabled"] = "enabled"
    clear_thinking: bool = False


class ZaiSettings(CommonSettings):
    """Settings of models of Z.ai."""

    provider_type: Literal["zai"] = "zai"
    response_format: ResponseFormat | None = None
    thinking: ZaiThinking = ZaiThinking()


class ChatGPTReasoning(BaseModel):
    """How hard a model behind a ChatGPT login thinks."""

    reasoning_effort: Literal["none", "low", "medium", "high", "xhigh"] = "medium"


class ChatGPTSettings(CommonSettings):
    """Settings of models behind a ChatGPT login."""

    provider_type: Literal["chatgpt_oauth"] = "chatgpt_oauth"
    reasoning: ChatGPTReasoning = ChatGPTReasoning()


class BasetenSettings(CommonSettings):
    """Settings of models of Baseten."""

    provider_type: Literal["baseten"] = "baseten"


class PlainSettings(CommonSettings):
    """Settings of providers without any of their own."""

    provider_type: Literal[
        "azure",
        "bedrock",
        "cerebras",
        "deepseek",
        "fireworks",
        "groq",
        "lmstudio_openai",
        "minimax",
        "mistral",
        "moonshot",
        "ollama",
        "openrouter",
        "perdure",
        "together",
        "vllm",
        "xai",
    ]
    response_format: ResponseFormat | None = None


ModelSettings = Annotated[
    OpenAISettings
    | SGLangSettings
    | AnthropicSettings
    | GoogleAISettings
    | GoogleVertexSettings
    | ZaiSettings
    | ChatGPTSettings
    | BasetenSettings
    | PlainSettings,
    Field(discriminator="provider_type"),
]
