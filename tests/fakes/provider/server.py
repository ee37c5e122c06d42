"""The fake as an HTTP server: vendors under a path each, and a window on what was received."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import orjson
from aiohttp import web

from tests.fakes.provider.anthropic.routes import anthropic_routes
from tests.fakes.provider.anthropic.vendor import Anthropic
from tests.fakes.provider.exchange import RECEIVED
from tests.fakes.provider.gemini.routes import gemini_routes
from tests.fakes.provider.gemini.vendor import Gemini
from tests.fakes.provider.openai.routes import compatible_routes, openai_routes
from tests.fakes.provider.openai.vendor import OpenAi
from tests.fakes.provider.prompt import Body
from tests.fakes.provider.refusal import Refusal
from tests.fakes.provider.steering import Steering
from tests.fakes.provider.tokens import PromptCache
from tests.fakes.provider.traffic import Received, Traffic
from tests.fakes.provider.vendor import Vendor
from tests.fakes.provider.zai.routes import zai_routes
from tests.fakes.provider.zai.vendor import Zai

_MAX_BODY_BYTES = 64 * 2**20
_BASE_PATHS = {
    "openai": "/openai/v1",
    "anthropic": "/anthropic",
    "gemini": "/gemini",
    "zai": "/zai/api/paas/v4",
    "compatible": "/compatible/v1",
}
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ProviderFake:
    """All vendors in one process: `async with ProviderFake() as fake` listens on a free loopback port.

    `steering` sets pace and faults, `traffic` is what was received (the latest `kept` requests).
    """

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 0, steering: Steering | None = None, kept: int = 1000
    ) -> None:
        self.steering = steering or Steering()
        self.traffic = Traffic(kept)
        self._host, self._port = host, port
        self._vendors: dict[str, Vendor] = {
            vendor.name: vendor for vendor in (OpenAi(), Anthropic(), Gemini(), Zai(), OpenAi("compatible"))
        }
        self._runner = web.AppRunner(
            self._build_app(), handler_cancellation=True, access_log=None, shutdown_timeout=1.0
        )

    @property
    def url(self) -> str:
        """The root address, without a slash at the end."""
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    def base_url(self, vendor: str) -> str:
        """The base address to give to the vendor's SDK."""
        return self.url + _BASE_PATHS[vendor]

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    def _build_app(self) -> web.Application:
        app = web.Application(client_max_size=_MAX_BODY_BYTES, middlewares=[self._serve_vendor])
        cache = PromptCache()
        for vendor_routes in (openai_routes, anthropic_routes, gemini_routes, zai_routes, compatible_routes):
            app.add_routes(vendor_routes(self.steering, cache))
        app.router.add_get("/_received", self._list_received)
        app.router.add_delete("/_received", self._clear_received)
        app.router.add_post("/_script", self._script)
        app.router.add_post("/_release", self._release)
        return app

    @web.middleware
    async def _serve_vendor(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Records requests to vendors, checks their key and prints refusals in the vendor's manner."""
        vendor = self._vendors.get(request.path.split("/")[1])
        if vendor is None:
            return await handler(request)
        received = request[RECEIVED] = await self._record(request, vendor)
        try:
            response = await _answer(request, handler, vendor)
        except asyncio.CancelledError:
            received.disconnected = True
            raise
        except ConnectionResetError:
            received.disconnected = True
            return web.Response()  # nobody is there to read it
        else:
            received.finished = not _is_closing(request)
            received.status = response.status if received.finished or response.prepared else None
            return response
        finally:
            await self.traffic.announce()

    async def _record(self, request: web.Request, vendor: Vendor) -> Received:
        received = Received(
            number=self.traffic.next_number(),
            vendor=vendor.name,
            method=request.method,
            path=request.path,
            query=dict(request.query),
            headers={str(name): value for name, value in request.headers.items()},
            body=_decode(await request.read()),
        )
        await self.traffic.add(received)
        return received

    async def _list_received(self, request: web.Request) -> web.Response:
        """All requests; with `?text=`, those whose body holds it."""
        found = self.traffic.to_json(request.query.get("text", ""))
        return web.Response(body=orjson.dumps(found), content_type="application/json")

    async def _clear_received(self, _: web.Request) -> web.Response:
        self.traffic.clear()
        return web.Response(status=204)

    async def _script(self, request: web.Request) -> web.Response:
        """Applies `{"directive": "status=500", "times": 2, "api": "embeddings"}` to the next requests.

        `times` is 1 if not given, and 0 drops what is left; `api` is `completions` if not given.
        """
        body = orjson.loads(await request.read())
        self.steering.script(body.get("directive", ""), body.get("times", 1), api=body.get("api", "completions"))
        return web.Response(status=204)

    async def _release(self, request: web.Request) -> web.Response:
        """Lets answers go on that are held: `{"hold": "name"}`."""
        self.steering.gate(orjson.loads(await request.read())["hold"]).set()
        return web.Response(status=204)


async def _answer(request: web.Request, handler: _Handler, vendor: Vendor) -> web.StreamResponse:
    try:
        key = vendor.api_key(request)
        if not key or "invalid" in key:
            raise vendor.refuse_key(key)
        return await handler(request)
    except web.HTTPException as exc:
        refusal = Refusal(exc.status, f"Invalid URL ({request.method} {request.path})")
        return _print(vendor, refusal)
    except Refusal as refusal:
        return _print(vendor, refusal)


def _print(vendor: Vendor, refusal: Refusal) -> web.Response:
    body = orjson.dumps(vendor.print_refusal(refusal))
    return web.Response(body=body, status=refusal.status, content_type="application/json", headers=refusal.headers)


def _is_closing(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _decode(data: bytes) -> Body | str | None:
    try:
        decoded: Body | None = orjson.loads(data) if data else None
    except orjson.JSONDecodeError:
        return data.decode(errors="replace")
    else:
        return decoded
