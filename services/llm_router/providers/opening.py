"""Opening the configured providers, each with the adapter of its wire protocol."""

from collections.abc import Callable

from services.llm_router.adapter import Adapter
from services.llm_router.config import BUILT_IN, ProviderConfig, RouterConfig
from services.llm_router.deadlines import Deadlines
from services.llm_router.provider import Provider
from services.llm_router.providers.anthropic import AnthropicAdapter
from services.llm_router.providers.echo import EchoAdapter
from services.llm_router.providers.gemini import GeminiAdapter
from services.llm_router.providers.local_servers import LmStudioAdapter, OllamaAdapter
from services.llm_router.providers.openai import OpenAiAdapter
from services.llm_router.providers.openai_chat import OpenAiChatAdapter
from services.llm_router.providers.openai_client import OpenAiClient
from services.llm_router.vendors import ChatDialect

# By name: what speaks OpenAI's protocol and has something of its own besides.
_COMPATIBLE: dict[str, Callable[[OpenAiClient, ChatDialect], Adapter]] = {
    "openai": OpenAiAdapter,
    "ollama": OllamaAdapter,
    "lmstudio": LmStudioAdapter,
}


def open_providers(config: RouterConfig) -> list[Provider]:
    """The built-in provider first, then those of the configuration. Opens no connection yet."""
    built_in = Provider(BUILT_IN, BUILT_IN, "", EchoAdapter(), is_closed=True)
    return [built_in, *(_open(provider, config.deadlines) for provider in config.providers)]


def _open(config: ProviderConfig, deadlines: Deadlines) -> Provider:
    return Provider(
        name=config.name,
        type=config.vendor.type,
        endpoint=config.base_url,
        adapter=_open_adapter(config, deadlines),
        is_closed=config.vendor.is_closed,
    )


def _open_adapter(config: ProviderConfig, deadlines: Deadlines) -> Adapter:
    vendor = config.vendor
    if vendor.protocol == "anthropic":
        return AnthropicAdapter(config.base_url, config.api_key, deadlines)
    if vendor.protocol == "gemini":
        return GeminiAdapter(config.base_url, config.api_key, deadlines)
    client = OpenAiClient(config.base_url, config.api_key, deadlines)
    return _COMPATIBLE.get(config.name, OpenAiChatAdapter)(client, vendor.dialect)
