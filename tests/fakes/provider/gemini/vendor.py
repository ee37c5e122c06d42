"""How Gemini takes keys and reports errors."""

from aiohttp import web

from tests.fakes.provider.prompt import Body
from tests.fakes.provider.refusal import Refusal

# https://ai.google.dev/gemini-api/docs/troubleshooting
_ORDINARY = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "Your API key doesn't have the required permissions."),
    404: ("NOT_FOUND", "The requested resource wasn't found."),
    429: ("RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details."),
    500: ("INTERNAL", "An internal error has occurred. Please retry."),
    503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
    504: ("DEADLINE_EXCEEDED", "The service is unable to finish processing within the deadline."),
}


class Gemini:
    """Gemini's manners."""

    name = "gemini"

    def api_key(self, request: web.Request) -> str | None:
        """The key in its own header or in the query."""
        return request.headers.get("x-goog-api-key") or request.query.get("key")

    def refuse_key(self, key: str | None) -> Refusal:
        """A wrong key is an invalid argument, and none a lack of permission."""
        if key:
            return invalid("API key not valid. Please pass a valid API key.")
        message = "Method doesn't allow unregistered callers (callers without established identity)."
        return Refusal(403, message, kind="PERMISSION_DENIED")

    def ordinary_refusal(self, status: int) -> Refusal:
        """The usual error of a status."""
        kind, message = _ORDINARY.get(status, _ORDINARY[400 if status < 500 else 500])
        return Refusal(status, message, kind=kind)

    def print_refusal(self, refusal: Refusal) -> Body:
        """`{"error": {"code", "message", "status", "details"}}`, with the delay to keep when there is one."""
        kind = refusal.kind or self.ordinary_refusal(refusal.status).kind
        error: Body = {"code": refusal.status, "message": refusal.message, "status": kind}
        if delay := refusal.headers.get("retry-after"):
            error["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{delay}s"}]
        return {"error": error}


def invalid(message: str) -> Refusal:
    """A refusal of status `INVALID_ARGUMENT`."""
    return Refusal(400, message, kind="INVALID_ARGUMENT")
