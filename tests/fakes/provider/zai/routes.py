"""The routes of Z.ai."""

from aiohttp import web

from tests.fakes.provider.catalog import ZAI_MODELS
from tests.fakes.provider.exchange import Exchange
from tests.fakes.provider.openai.routes import print_model
from tests.fakes.provider.steering import Steering
from tests.fakes.provider.tokens import PromptCache
from tests.fakes.provider.zai.chat import ZaiChat

_BASES = ("/zai/api/paas/v4", "/zai/api/coding/paas/v4", "/zai/v1", "/zai")


def zai_routes(steering: Steering, cache: PromptCache) -> list[web.RouteDef]:
    """All routes under `/zai`: those of the general and the coding plan, and the forms without a version."""
    chat = Exchange(ZaiChat(), steering, cache)
    routes = [web.post(f"{base}/chat/completions", chat.handle) for base in _BASES]
    return routes + [web.get(f"{base}/models", _list_models) for base in _BASES]


async def _list_models(_: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [print_model(model, "z-ai") for model in ZAI_MODELS]})
