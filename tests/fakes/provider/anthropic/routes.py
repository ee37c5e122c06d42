"""The routes of Anthropic."""

from aiohttp import web

from tests.fakes.provider.anthropic.messages import AnthropicMessages
from tests.fakes.provider.anthropic.vendor import Anthropic
from tests.fakes.provider.catalog import ANTHROPIC_MODELS, limits
from tests.fakes.provider.exchange import Exchange
from tests.fakes.provider.prompt import Body
from tests.fakes.provider.request_body import read_body
from tests.fakes.provider.steering import Steering
from tests.fakes.provider.tokens import PromptCache, count_tokens


def anthropic_routes(steering: Steering, cache: PromptCache) -> list[web.RouteDef]:
    """All routes under `/anthropic`."""
    return [
        web.post("/anthropic/v1/messages", Exchange(AnthropicMessages(), steering, cache).handle),
        web.post("/anthropic/v1/messages/count_tokens", _count_tokens),
        web.get("/anthropic/v1/models", _list_models),
        web.get("/anthropic/v1/models/{model}", _get_model),
    ]


async def _count_tokens(request: web.Request) -> web.Response:
    body = await read_body(request)
    prompt = AnthropicMessages().read(request, {"max_tokens": limits(str(body.get("model"))).output, **body})
    return web.json_response({"input_tokens": sum(map(count_tokens, prompt.segments))})


async def _list_models(_: web.Request) -> web.Response:
    data = [_print_model(model) for model in ANTHROPIC_MODELS]
    ends = {"first_id": ANTHROPIC_MODELS[0], "last_id": ANTHROPIC_MODELS[-1]}
    return web.json_response({"data": data, "has_more": False, **ends})


async def _get_model(request: web.Request) -> web.Response:
    model = request.match_info["model"]
    if model not in ANTHROPIC_MODELS:
        raise Anthropic().ordinary_refusal(404)
    return web.json_response(_print_model(model))


def _print_model(model: str) -> Body:
    name = model.replace("-", " ").title()
    return {
        "type": "model",
        "id": model,
        "display_name": name,
        "created_at": "2025-01-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": limits(model).window,
        "max_tokens": limits(model).output,
    }
