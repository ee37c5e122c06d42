"""The record of what was asked of the fake."""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from tests.fakes.provider.prompt import Body


@dataclass
class Received:
    """One request; `status` is None until it is answered, `disconnected` says that the client left before the end.

    `tokens_sent` counts the streamed pieces of text, reasoning and arguments that were written to the socket.
    """

    number: int
    vendor: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Body | str | None = None
    status: int | None = None
    finished: bool = False
    disconnected: bool = False
    tokens_sent: int = 0


class Traffic:
    """The latest requests in order of arrival."""

    def __init__(self, kept: int) -> None:
        self._numbers = itertools.count(1)
        self._requests: deque[Received] = deque(maxlen=kept)
        self._changed = asyncio.Condition()

    def __iter__(self) -> Iterator[Received]:
        return iter(list(self._requests))

    def __len__(self) -> int:
        return len(self._requests)

    def next_number(self) -> int:
        """The number of the next request, counted from one."""
        return next(self._numbers)

    async def add(self, received: Received) -> None:
        """Records a request that has arrived."""
        self._requests.append(received)
        await self.announce()

    async def announce(self) -> None:
        """Wakes those who wait for a change in a request."""
        async with self._changed:
            self._changed.notify_all()

    async def wait_for(self, claim: Callable[[Received], bool], timeout_s: float = 120.0) -> Received:
        """The first request of which the claim holds, as soon as it does.

        Raises:
            TimeoutError: it held of none in time.
        """
        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: any(claim(request) for request in self._requests))
            return next(request for request in self._requests if claim(request))

    def clear(self) -> None:
        """Forgets all requests."""
        self._requests.clear()

    def to_json(self, text: str = "") -> list[Body]:
        """The requests whose body holds a text, as JSON."""
        return [asdict(request) for request in self._requests if text in str(request.body)]
