"""Gemini embeddings.  https://ai.google.dev/api/embeddings"""

from aiohttp import web

from tests.fakes.provider.catalog import EMBEDDING_DIMENSIONS, GEMINI_EMBEDDING_MODELS
from tests.fakes.provider.embedding import embed
from tests.fakes.provider.gemini.fields import read_fields
from tests.fakes.provider.gemini.vendor import Gemini, invalid
from tests.fakes.provider.prompt import Body
from tests.fakes.provider.request_body import read_body
from tests.fakes.provider.simple_reply import reply
from tests.fakes.provider.steering import Steering

_MAX_REQUESTS = 100


class GeminiEmbeddings:
    """`embedContent` and `batchEmbedContents`."""

    def __init__(self, steering: Steering) -> None:
        self._steering = steering

    async def embed_one(self, request: web.Request) -> web.StreamResponse:
        """One content, one vector."""
        body = await read_body(request)
        answer = {"embedding": {"values": _embed(request, body)}}
        return await reply(request, answer, self._steering.direct_embedding(), Gemini())

    async def embed_batch(self, request: web.Request) -> web.StreamResponse:
        """A vector for each of the requests within."""
        requests = (await read_body(request)).get("requests") or []
        if len(requests) > _MAX_REQUESTS:
            raise invalid("* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch")
        answer = {"embeddings": [{"values": _embed(request, body)} for body in requests]}
        return await reply(request, answer, self._steering.direct_embedding(), Gemini())


def _embed(request: web.Request, body: Body) -> list[float]:
    model = request.match_info["model"]
    if model not in GEMINI_EMBEDDING_MODELS:
        raise Gemini().ordinary_refusal(404)
    body = read_fields(body)
    text = "\n".join(part.get("text", "") for part in (body.get("content") or {}).get("parts") or ())
    if not text:
        raise invalid("* EmbedContentRequest.content: contents is empty")
    config = read_fields(body.get("embedContentConfig")) | body
    return embed(text, config.get("outputDimensionality") or EMBEDDING_DIMENSIONS[model])
