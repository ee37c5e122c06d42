"""The routes of OpenAI."""

from aiohttp import web

from tests.fakes.provider.catalog import LOCAL_MODELS, OPENAI_MODELS
from tests.fakes.provider.exchange import Exchange
from tests.fakes.provider.openai.chat import OpenAiChat
from tests.fakes.provider.openai.embeddings import OpenAiEmbeddings
from tests.fakes.provider.openai.responses import OpenAiResponses
from tests.fakes.provider.openai.vendor import OpenAi
from tests.fakes.provider.prompt import Body
from tests.fakes.provider.steering import Steering
from tests.fakes.provider.tokens import PromptCache

_CREATED = 1_715_367_049  # seconds since the epoch; the same for all models


def openai_routes(steering: Steering, cache: PromptCache) -> list[web.RouteDef]:
    """All routes under `/openai`."""
    return [
        web.post("/openai/v1/chat/completions", Exchange(OpenAiChat(OpenAi()), steering, cache).handle),
        web.post("/openai/v1/responses", Exchange(OpenAiResponses(), steering, cache).handle),
        web.post("/openai/v1/embeddings", OpenAiEmbeddings(steering).handle),
        web.get("/openai/v1/models", _list_models),
        web.get("/openai/v1/models/{model}", _get_model),
    ]


def compatible_routes(steering: Steering, cache: PromptCache) -> list[web.RouteDef]:
    """All routes under `/compatible`: a server of local models that speaks OpenAI's chat completions."""
    chat = OpenAiChat(OpenAi("compatible"), any_model=True)
    return [
        web.post("/compatible/v1/chat/completions", Exchange(chat, steering, cache).handle),
        web.get("/compatible/v1/models", _list_local_models),
    ]


def print_model(model: str, owner: str) -> Body:
    """A model as OpenAI and its imitators list it."""
    return {"id": model, "object": "model", "created": _CREATED, "owned_by": owner}


async def _list_models(_: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [print_model(model, "system") for model in OPENAI_MODELS]})


async def _list_local_models(_: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [print_model(model, "local") for model in LOCAL_MODELS]})


async def _get_model(request: web.Request) -> web.Response:
    model = request.match_info["model"]
    if model not in OPENAI_MODELS:
        raise OpenAi().ordinary_refusal(404)
    return web.json_response(print_model(model, "system"))
