"""The vendors that can be configured, and where their OpenAI-compatible endpoints differ: data, no behaviour.

A new endpoint of this kind is a row here; one with a wire protocol of its own needs an adapter in `providers/`.
"""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class ChatDialect:
    """What an endpoint of chat completions takes beyond what all do.

    `reasoning_field` is where it wants a model's earlier thoughts back; empty where it wants none. One that
    `misses_thoughts` refuses calls without any, whoever made them.
    """

    max_tokens_field: str = "max_tokens"
    max_tools: int | None = None
    reasoning_field: str = ""
    misses_thoughts: bool = False
    has_strict_tools: bool = False
    has_parallel_switch: bool = True
    has_json_schema: bool = True
    has_thinking_switch: bool = False
    has_reasoning_effort: bool = False
    has_stream_options: bool = True
    has_cache_key: bool = False


@dataclass(frozen=True)
class Vendor:
    """A vendor: its type in the public API, its wire protocol, and `variables`, the first part of its variables.

    `base_url` is used when no other is set; `path` completes an address that names no version.
    """

    type: str
    protocol: Literal["openai", "anthropic", "gemini"]
    variables: str = ""
    base_url: str = ""
    path: str = "/v1"
    is_closed: bool = False
    is_keyless: bool = False
    dialect: ChatDialect = field(default_factory=ChatDialect)


OPENAI_TOOLS = 128  # the most in one request: https://platform.openai.com/docs/api-reference/chat/create

_OPENAI = ChatDialect(
    max_tokens_field="max_completion_tokens", max_tools=OPENAI_TOOLS, has_strict_tools=True, has_cache_key=True
)
_GROQ = ChatDialect(max_tools=128)  # https://console.groq.com/docs/api-reference#chat-create
_ZAI = ChatDialect(
    reasoning_field="reasoning_content", has_json_schema=False, has_thinking_switch=True
)  # https://docs.z.ai/guides/capabilities/thinking-mode
_DEEPSEEK = ChatDialect(
    reasoning_field="reasoning_content", misses_thoughts=True, has_json_schema=False, has_parallel_switch=False
)  # https://api-docs.deepseek.com/guides/thinking_mode#tool-calls
_MOONSHOT = ChatDialect(
    reasoning_field="reasoning_content", misses_thoughts=True, has_parallel_switch=False
)  # https://platform.kimi.ai/docs/guide/use-kimi-k2-thinking-model
_OPENROUTER = ChatDialect(reasoning_field="reasoning", has_reasoning_effort=True)
_MISTRAL = ChatDialect(has_stream_options=False)  # refuses parameters that it does not know

VENDORS: dict[str, Vendor] = {
    "openai": Vendor("openai", "openai", "OPENAI", "https://api.openai.com", is_closed=True, dialect=_OPENAI),
    "anthropic": Vendor("anthropic", "anthropic", "ANTHROPIC", "https://api.anthropic.com", is_closed=True),
    "google_ai": Vendor(
        "google_ai", "gemini", "GEMINI", "https://generativelanguage.googleapis.com", "/v1beta", is_closed=True
    ),
    "zai": Vendor("zai", "openai", "ZAI", "https://api.z.ai", "/api/paas/v4", is_closed=True, dialect=_ZAI),
    "baseten": Vendor("baseten", "openai", "BASETEN", "https://inference.baseten.co"),
    "cerebras": Vendor("cerebras", "openai", "CEREBRAS", "https://api.cerebras.ai"),
    "deepseek": Vendor("deepseek", "openai", "DEEPSEEK", "https://api.deepseek.com", dialect=_DEEPSEEK),
    "fireworks": Vendor("fireworks", "openai", "FIREWORKS", "https://api.fireworks.ai/inference"),
    "groq": Vendor("groq", "openai", "GROQ", "https://api.groq.com/openai", dialect=_GROQ),
    "minimax": Vendor("minimax", "openai", "MINIMAX", "https://api.minimax.io"),
    "mistral": Vendor("mistral", "openai", "MISTRAL", "https://api.mistral.ai", dialect=_MISTRAL),
    "moonshot": Vendor("moonshot", "openai", "MOONSHOT", "https://api.moonshot.ai", dialect=_MOONSHOT),
    "openrouter": Vendor("openrouter", "openai", "OPENROUTER", "https://openrouter.ai/api", dialect=_OPENROUTER),
    "together": Vendor("together", "openai", "TOGETHER", "https://api.together.xyz"),
    "xai": Vendor("xai", "openai", "XAI", "https://api.x.ai"),
    "lmstudio": Vendor("lmstudio_openai", "openai", "LMSTUDIO", is_keyless=True),
    "ollama": Vendor("ollama", "openai", "OLLAMA", is_keyless=True),
    "sglang": Vendor("sglang", "openai", "SGLANG", is_keyless=True),
    "vllm": Vendor("vllm", "openai", "VLLM", is_keyless=True),
}
