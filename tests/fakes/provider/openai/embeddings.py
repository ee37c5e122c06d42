"""OpenAI embeddings.  https://platform.openai.com/docs/api-reference/embeddings"""

import base64
from array import array

from aiohttp import web

from tests.fakes.provider.catalog import EMBEDDING_DIMENSIONS
from tests.fakes.provider.embedding import embed
from tests.fakes.provider.openai.vendor import OpenAi
from tests.fakes.provider.prompt import Body
from tests.fakes.provider.refusal import Refusal
from tests.fakes.provider.request_body import read_body
from tests.fakes.provider.simple_reply import reply
from tests.fakes.provider.steering import Steering
from tests.fakes.provider.tokens import count_tokens

_MAX_INPUTS = 2048
_MAX_TOKENS = 8192


class OpenAiEmbeddings:
    """Answers requests for embeddings."""

    def __init__(self, steering: Steering) -> None:
        self._steering = steering

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Embeds one text or a list of them."""
        body = await read_body(request)
        texts = _read_texts(body)
        dimensions = body.get("dimensions") or EMBEDDING_DIMENSIONS.get(body.get("model", ""))
        if dimensions is None:
            raise OpenAi().ordinary_refusal(404)
        vectors = [embed(text, dimensions) for text in texts]
        tokens = sum(map(count_tokens, texts))
        data = [_print_vector(i, vector, body.get("encoding_format")) for i, vector in enumerate(vectors)]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        answer = {"object": "list", "data": data, "model": body["model"], "usage": usage}
        return await reply(request, answer, self._steering.direct_embedding(), OpenAi())


def _read_texts(body: Body) -> list[str]:
    given = body.get("input")
    texts: list[str] = [given] if isinstance(given, str) else list(given or ())
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise _invalid("'$.input' is invalid. Please check the API reference.")
    if len(texts) > _MAX_INPUTS:
        raise _invalid(f"'$.input' is invalid: maximum array length is {_MAX_INPUTS}.")
    longest = max(map(count_tokens, texts))
    if longest > _MAX_TOKENS:
        raise _invalid(
            f"This model's maximum context length is {_MAX_TOKENS} tokens, however you requested {longest} tokens. "
            "Please reduce your prompt."
        )
    return texts


def _print_vector(index: int, vector: list[float], encoding: str | None) -> Body:
    encoded = base64.b64encode(array("f", vector).tobytes()).decode() if encoding == "base64" else vector
    return {"object": "embedding", "index": index, "embedding": encoded}


def _invalid(message: str) -> Refusal:
    return Refusal(400, message, kind="invalid_request_error", param="input")
