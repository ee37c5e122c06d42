"""A server of the older protocol, with sessions that it can forget."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tests.gateway.conftest import free_port

ECHO = {"name": "echo", "inputSchema": {"type": "object"}}
SESSION = "mcp-session-id"


class ForgetfulServer:
    """Knows one session at a time."""

    def __init__(self, said_of_unknown_sessions: Any = None) -> None:
        self._said_of_unknown_sessions = said_of_unknown_sessions
        self.session = ""
        self.sessions = 0
        self.url = ""

    def forget(self) -> None:
        self.session = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_post("/mcp", self._answer)
        runner = web.AppRunner(app)
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{port}/mcp"
        yield
        await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if asked["method"] == "initialize":
            return self._begin(asked)
        if asked["method"] == "server/discover":
            return web.Response(status=400)
        if request.headers.get(SESSION) != self.session:
            return web.json_response(self._said_of_unknown_sessions, status=404)
        if "id" not in asked:
            return web.Response(status=202)
        called = {"content": [{"type": "text", "text": "heard"}]}
        return _result(asked, {"tools": [ECHO]} if asked["method"] == "tools/list" else called)

    def _begin(self, asked: Any) -> web.Response:
        self.sessions += 1
        self.session = f"session-{self.sessions}"
        server = {"name": "forgetful", "version": "1"}
        began = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": server}
        return _result(asked, began, {SESSION: self.session})


def _result(asked: Any, result: Any, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": result}, headers=headers)
