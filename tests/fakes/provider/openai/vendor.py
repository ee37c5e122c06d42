"""How OpenAI takes keys and reports errors."""

from aiohttp import web

from tests.fakes.provider.prompt import Body
from tests.fakes.provider.refusal import Refusal

# https://platform.openai.com/docs/guides/error-codes
_ORDINARY = {
    400: ("Invalid request.", "invalid_request_error", None),
    401: ("Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
    403: (
        "Country, region, or territory not supported",
        "invalid_request_error",
        "unsupported_country_region_territory",
    ),
    404: ("The model does not exist or you do not have access to it.", "invalid_request_error", "model_not_found"),
    429: ("Rate limit reached for requests.", "requests", "rate_limit_exceeded"),
    500: ("The server had an error while processing your request. Sorry about that!", "server_error", None),
    503: ("The engine is currently overloaded, please try again later", "server_error", None),
}


class OpenAi:
    """OpenAI's manners; `name` is another for those who imitate it."""

    def __init__(self, name: str = "openai") -> None:
        self.name = name

    def api_key(self, request: web.Request) -> str | None:
        """The bearer token."""
        return request.headers.get("Authorization", "").removeprefix("Bearer ").strip() or None

    def refuse_key(self, key: str | None) -> Refusal:
        """The refusal of a request with a wrong key or none."""
        return self.ordinary_refusal(401) if key else Refusal(401, "You didn't provide an API key.")

    def ordinary_refusal(self, status: int) -> Refusal:
        """The usual error of a status."""
        message, kind, code = _ORDINARY.get(status, _ORDINARY[400 if status < 500 else 500])
        return Refusal(status, message, kind=kind, code=code)

    def print_refusal(self, refusal: Refusal) -> Body:
        """`{"error": {"message", "type", "param", "code"}}`."""
        kind = refusal.kind or self.ordinary_refusal(refusal.status).kind
        return {"error": {"message": refusal.message, "type": kind, "param": refusal.param, "code": refusal.code}}
