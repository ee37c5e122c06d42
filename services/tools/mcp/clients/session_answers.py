"""HTTP answers that say that a session is lost, all in one form: the errors that servers write mean other things, too.

https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
"""

from http import HTTPStatus

import httpx2

SESSION_LOST = -404_404  # the code of an error: none that JSON-RPC, MCP or a server uses
SESSION_HEADER = "mcp-session-id"


class SessionAnswers(httpx2.AsyncBaseTransport):
    """Answers a request of a lost session with an error of its own code, whatever the server wrote."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends the request. Raises what httpx2 raises."""
        response = await self._inner.handle_async_request(request)
        if response.status_code != HTTPStatus.NOT_FOUND or SESSION_HEADER not in request.headers:
            return response
        await response.aclose()
        lost = {"code": SESSION_LOST, "message": "Session not found"}
        return httpx2.Response(HTTPStatus.NOT_FOUND, json={"jsonrpc": "2.0", "id": None, "error": lost})

    async def aclose(self) -> None:
        """Closes its connections."""
        await self._inner.aclose()
