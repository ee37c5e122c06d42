"""An open connection to a server, which several calls share."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio
from mcp import Client, MCPError
from mcp.types import CONNECTION_CLOSED

from services.tools.mcp.clients.failures import FAILURES, describe_failure, server_failed
from services.tools.mcp.clients.session_answers import SESSION_LOST
from services.tools.mcp.server import ServerFailed

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")
Work = Callable[[Client], Awaitable[Answer]]
Opening = Callable[[Callable[[], None]], AbstractAsyncContextManager[Client]]  # takes whom to tell of the server's end
END_S = 0.1  # seconds in which a connection that broke ends; one whose server went away stays for its calls
CANCEL_S = 1.0  # seconds that a call given up has to tell its server


class Refused(ServerFailed):
    """The server is there, but gave an error in place of an answer; over a new connection it may do better."""


class SessionLost(Refused):
    """The server, restarted for instance, does not know the session, and did not carry out the request."""


@dataclass(frozen=True)
class ConnectionLimits:
    """Deadlines, in seconds."""

    connect_s: float = 15.0  # and to list tools
    call_s: float = 60.0
    idle_s: float = 300.0  # without a call, a connection is closed after that


class Connection:
    """Opens at once, in a task of its own, and stays open while it is used. Errors name the server."""

    def __init__(self, name: str, opening: Opening, limits: ConnectionLimits) -> None:
        self._name = name
        self._limits = limits
        self._opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._closing = asyncio.Event()
        self._scope = anyio.CancelScope()
        self._in_flight = 0
        self._is_retired = False
        self._idle: asyncio.TimerHandle | None = None
        self._task = asyncio.create_task(self._hold(opening(self.retire)))
        self._task.add_done_callback(self._note_end)

    @property
    def is_usable(self) -> bool:
        """Whether new calls may use it."""
        return not self._is_retired and not self._closing.is_set() and not self.has_ended

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it is left."""
        return self._task.done()

    async def use(self, work: Work[Answer], within_s: float) -> Answer:
        """What the work answers; that may take so many seconds once connected. Raises `ServerFailed`."""
        self._in_flight += 1
        if self._idle:
            self._idle.cancel()
        try:
            client = await self._client()
            return await self._until_answered(work(client), within_s)
        finally:
            self._in_flight -= 1
            self._rest()

    def retire(self) -> None:
        """Takes no new calls and closes when the last one has ended."""
        self._is_retired = True
        self._rest()

    async def close(self) -> None:
        """Closes at once."""
        self._closing.set()
        self._scope.cancel()
        await asyncio.wait({self._task})

    def _rest(self) -> None:
        if self._in_flight:
            return
        if self._is_retired:
            self._closing.set()
            self._scope.cancel()
        else:
            self._idle = asyncio.get_running_loop().call_later(self._limits.idle_s, self._closing.set)

    async def _hold(self, opening: AbstractAsyncContextManager[Client]) -> None:
        # The mcp package wants a connection opened and closed by the same task.
        with self._scope:
            async with opening as client:
                self._opened.set_result(client)
                await self._closing.wait()

    async def _client(self) -> Client:
        waiting: set[asyncio.Future[Any]] = {self._opened, self._task}  # Any: of two types
        await asyncio.wait(waiting, timeout=self._limits.connect_s, return_when="FIRST_COMPLETED")
        if self._opened.done():
            return self._opened.result()
        if self._task.done():
            raise server_failed(f"The MCP server {self._name!r} cannot be reached", self._failure())
        raise ServerFailed(f"The MCP server {self._name!r} did not connect within {self._limits.connect_s:g} s.")

    async def _until_answered(self, work: Awaitable[Answer], within_s: float) -> Answer:
        call = asyncio.ensure_future(work)
        try:
            await asyncio.wait({call, self._task}, timeout=within_s, return_when="FIRST_COMPLETED")
            if call.done():
                return await self._answer(call)
            if self._task.done():
                raise self._went_away(self._failure())
            raise ServerFailed(f"The MCP server {self._name!r} did not answer within {within_s:g} s.")
        finally:
            call.cancel()
            await asyncio.wait({call}, timeout=CANCEL_S)

    async def _answer(self, call: asyncio.Future[Answer]) -> Answer:
        try:
            return call.result()
        except FAILURES as exc:
            if isinstance(exc, MCPError) and exc.code == SESSION_LOST:
                raise SessionLost(f"The MCP server {self._name!r} ended the session: {exc.message}.") from exc
            cause = await self._cause(exc)
            failed = self._went_away(cause)
            raise (Refused(str(failed)) if isinstance(cause, MCPError) and not self._is_retired else failed) from exc

    async def _cause(self, failure: Exception) -> BaseException:
        """What ended the connection, where the request only hears that something did."""
        if isinstance(failure, MCPError) and failure.code == CONNECTION_CLOSED:
            await asyncio.wait({self._task}, timeout=END_S)
            return self._failure() if self._task.done() else failure
        return failure

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception():
            log.info("the connection to the MCP server %s ended: %s", self._name, describe_failure(self._failure()))

    def _went_away(self, failure: BaseException) -> ServerFailed:
        return server_failed(f"The MCP server {self._name!r} failed during the request", failure)

    def _failure(self) -> BaseException:
        """What ended the connection."""
        failure = None if self._task.cancelled() else self._task.exception()
        return failure or ServerFailed("the connection was closed")
