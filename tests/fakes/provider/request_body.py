"""Reading a request's body, and checking the parts all vendors check alike."""

import orjson
from aiohttp import web

from tests.fakes.provider.prompt import Body
from tests.fakes.provider.refusal import Refusal


async def read_body(request: web.Request) -> Body:
    """The JSON object in a request.

    Raises:
        Refusal: it is none.
    """
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError as exc:
        raise Refusal(400, f"We could not parse the JSON body of your request: {exc}") from exc
    if not isinstance(body, dict):
        raise Refusal(400, "The request body must be a JSON object.")
    return body


def as_text(value: object) -> str:
    """A part of a request as the text whose tokens are counted, without its cache marks."""
    return orjson.dumps(_without_marks(value)).decode()


def parse_arguments(arguments: str) -> Body:
    """The arguments of a call for vendors that send them as an object; empty if they are none."""
    try:
        decoded = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return {}
    return decoded if isinstance(decoded, dict) else {}


def _without_marks(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_marks(part) for key, part in value.items() if key != "cache_control"}
    if isinstance(value, list):
        return [_without_marks(part) for part in value]
    return value
