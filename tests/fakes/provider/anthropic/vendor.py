"""How Anthropic takes keys and reports errors."""

import secrets

from aiohttp import web

from tests.fakes.provider.prompt import Body
from tests.fakes.provider.refusal import Refusal

# https://docs.claude.com/en/api/errors
_ORDINARY = {
    400: ("invalid_request_error", "Invalid request."),
    401: ("authentication_error", "invalid x-api-key"),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "Not found"),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your organization's rate limit."),
    500: ("api_error", "Internal server error"),
    529: ("overloaded_error", "Overloaded"),
}


class Anthropic:
    """Anthropic's manners."""

    name = "anthropic"

    def api_key(self, request: web.Request) -> str | None:
        """The key in its own header, or a bearer token."""
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        return request.headers.get("x-api-key") or bearer or None

    def refuse_key(self, key: str | None) -> Refusal:
        """The refusal of a request with a wrong key or none."""
        return self.ordinary_refusal(401) if key else Refusal(401, "x-api-key header is required")

    def ordinary_refusal(self, status: int) -> Refusal:
        """The usual error of a status."""
        kind, message = _ORDINARY.get(status, _ORDINARY[400 if status < 500 else 500])
        return Refusal(status, message, kind=kind)

    def print_refusal(self, refusal: Refusal) -> Body:
        """`{"type": "error", "error": {"type", "message"}, "request_id"}`."""
        kind = refusal.kind or self.ordinary_refusal(refusal.status).kind
        error = {"type": kind, "message": refusal.message}
        return {"type": "error", "error": error, "request_id": f"req_{secrets.token_hex(12)}"}


def invalid(message: str) -> Refusal:
    """A refusal of kind `invalid_request_error`."""
    return Refusal(400, message, kind="invalid_request_error")
