"""A gRPC service without a server: its handlers, called where the network says."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc

Call = Callable[[str, Callable[[], Awaitable[Any]]], Awaitable[Any]]  # what is called and how; its answer


class Handlers:
    """Takes what would be added to a gRPC server."""

    def __init__(self) -> None:
        self._generic: list[grpc.GenericRpcHandler] = []

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        """As `grpc.aio.Server` does."""
        self._generic += handlers

    def add_registered_method_handlers(self, service: str, handlers: object) -> None:
        """Needed by no one here: the generic handlers know the same methods."""

    def find(self, path: str) -> Any:  # Any: a handler of any method
        """The handler of a method: "/package.Service/Method"."""
        details = _Details(path, ())
        found = (handler.service(details) for handler in self._generic)
        return next(handler for handler in found if handler is not None)


@dataclass
class _Details:
    method: str
    invocation_metadata: tuple[tuple[str, str | bytes], ...]


class Context:
    """What handlers see of a call."""

    def invocation_metadata(self) -> tuple[()]:
        """No headers."""
        return ()

    def time_remaining(self) -> None:
        """No deadline."""


class InProcessChannel:
    """A channel to a service in this process. Each call goes through `call`, which decides when it is carried out."""

    def __init__(self, handlers: Handlers, call: Call) -> None:
        self._handlers = handlers
        self._call = call

    def unary_unary(self, path: str, *_: Any, **__: Any) -> Callable[..., Awaitable[Any]]:
        """As `grpc.aio.Channel` does."""
        name = path.rpartition("/")[2]

        async def ask(request: Any, **_: Any) -> Any:
            handler = self._handlers.find(path)
            sent = type(request).FromString(request.SerializeToString())
            return await self._call(name, lambda: handler.unary_unary(sent, Context()))

        return ask

    def __getattr__(self, name: str) -> Any:
        """The other kinds of calls are in the stubs; nobody makes them here."""
        return lambda *_, **__: None
