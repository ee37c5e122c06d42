"""How Z.ai takes keys and reports errors."""

from aiohttp import web

from tests.fakes.provider.prompt import Body
from tests.fakes.provider.refusal import Refusal

# https://docs.z.ai/api-reference/api-code
_ORDINARY = {
    400: ("1214", "The request parameters are invalid."),
    401: ("1000", "Authentication Failed"),
    403: ("1220", "You do not have permission to access this API."),
    404: ("1211", "Unknown Model, please check the model code."),
    429: ("1302", "High concurrency usage of this API, please reduce concurrency"),
    500: ("500", "Internal Error"),
    503: ("1305", "The API has triggered a rate limit."),
}


class Zai:
    """Z.ai's manners."""

    name = "zai"

    def api_key(self, request: web.Request) -> str | None:
        """The bearer token."""
        return request.headers.get("Authorization", "").removeprefix("Bearer ").strip() or None

    def refuse_key(self, key: str | None) -> Refusal:
        """The refusal of a request with a wrong key or none."""
        missing = Refusal(401, "Authentication parameter not received in Header", code="1001")
        return self.ordinary_refusal(401) if key else missing

    def ordinary_refusal(self, status: int) -> Refusal:
        """The usual error of a status."""
        code, message = _ORDINARY.get(status, _ORDINARY[400 if status < 500 else 500])
        return Refusal(status, message, code=code)

    def print_refusal(self, refusal: Refusal) -> Body:
        """`{"error": {"code", "message"}}`; codes are numbers in a string."""
        code = refusal.code if refusal.code and refusal.code.isdigit() else self.ordinary_refusal(refusal.status).code
        return {"error": {"code": code, "message": refusal.message}}
