"""The routes of Gemini."""

from aiohttp import web

from tests.fakes.provider.catalog import GEMINI_EMBEDDING_MODELS, GEMINI_MODELS, limits
from tests.fakes.provider.exchange import Exchange
from tests.fakes.provider.gemini.embeddings import GeminiEmbeddings
from tests.fakes.provider.gemini.generate import GeminiGenerate
from tests.fakes.provider.gemini.vendor import Gemini
from tests.fakes.provider.prompt import Body
from tests.fakes.provider.request_body import read_body
from tests.fakes.provider.steering import Steering
from tests.fakes.provider.tokens import PromptCache, count_tokens

_MODELS = "/gemini/{version:v1|v1beta|v1alpha}/models"
_MODEL = _MODELS + "/{model:[^:/]+}"
_MAX_EMBEDDED_TOKENS = 2048


def gemini_routes(steering: Steering, cache: PromptCache) -> list[web.RouteDef]:
    """All routes under `/gemini`."""
    embeddings = GeminiEmbeddings(steering)
    generate = Exchange(GeminiGenerate(), steering, cache)
    return [
        web.post(_MODEL + ":{action:generateContent|streamGenerateContent}", generate.handle),
        web.post(_MODEL + ":{action:countTokens}", _count_tokens),
        web.post(_MODEL + ":embedContent", embeddings.embed_one),
        web.post(_MODEL + ":batchEmbedContents", embeddings.embed_batch),
        web.get(_MODELS, _list_models),
        web.get(_MODEL, _get_model),
    ]


async def _count_tokens(request: web.Request) -> web.Response:
    body = await read_body(request)
    prompt = GeminiGenerate().read(request, body.get("generateContentRequest") or body)
    return web.json_response({"totalTokens": sum(map(count_tokens, prompt.segments))})


async def _list_models(_: web.Request) -> web.Response:
    models = [_print_model(model) for model in (*GEMINI_MODELS, *GEMINI_EMBEDDING_MODELS)]
    return web.json_response({"models": models})


async def _get_model(request: web.Request) -> web.Response:
    model = request.match_info["model"]
    if model not in (*GEMINI_MODELS, *GEMINI_EMBEDDING_MODELS):
        raise Gemini().ordinary_refusal(404)
    return web.json_response(_print_model(model))


def _print_model(model: str) -> Body:
    embeds = model in GEMINI_EMBEDDING_MODELS
    methods = ["embedContent"] if embeds else ["generateContent", "countTokens", "createCachedContent"]
    return {
        "name": f"models/{model}",
        "version": "001",
        "displayName": model.replace("-", " ").title(),
        "inputTokenLimit": _MAX_EMBEDDED_TOKENS if embeds else limits(model).window,
        "outputTokenLimit": 1 if embeds else limits(model).output,
        "supportedGenerationMethods": methods,
    }
