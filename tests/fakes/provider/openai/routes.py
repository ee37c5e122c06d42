"""The routes of OpenAI."""

from aiohttp import web

from tests.fakes.provider.exchange import Exchange
from tests.fakes.provider.openai.chat import OpenAiChat
from tests.fakes.provider.steering import Steering
from tests.fakes.provider.tokens import PromptCache


def openai_routes(steering: Steering, cache: PromptCache) -> list[web.RouteDef]:
    """All routes under `/openai`."""
    chat = Exchange(OpenAiChat(), steering, cache)
    return [web.post("/openai/v1/chat/completions", chat.handle)]
