"""A network without time: what is sent waits until the simulation delivers it, in an order that a seed decides."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from services.common.errors import Unavailable

SETTLING = 40  # turns of the event loop after which every task waits for the network again


@dataclass
class Host:
    """A process. A dead one sends nothing any more and hears nothing."""

    name: str
    alive: bool = True
    frozen: bool = False


@dataclass
class Packet:
    """A request on its way. `reply` is where its sender waits for the answer; once lost, it `repeats` the request."""

    sender: Host
    what: str
    serve: Callable[[], Awaitable[Any]]
    reply: asyncio.Future[Any]
    repeats: bool = True


@dataclass
class Network:
    """All packets on their way. Only `deliver` lets anything happen, one thing at a time."""

    random: Random
    packets: list[Packet] = field(default_factory=list)
    told: list[str] = field(default_factory=list)  # what happened, for whoever replays a seed

    async def send(
        self, sender: Host, what: str, serve: Callable[[], Awaitable[Any]], *, repeats: bool = True
    ) -> Any:  # Any: whatever is answered
        """The answer, once the packet is delivered. Cancelling it leaves the packet on its way.

        When the answer gets lost, the sender `repeats` the request, or this raises `Unavailable`.
        """
        if not sender.alive:
            raise asyncio.CancelledError
        reply = asyncio.get_running_loop().create_future()
        self.packets.append(Packet(sender, what, serve, reply, repeats))
        return await reply

    async def settle(self) -> None:
        """Lets all tasks run until each waits for a packet or has ended."""
        for _ in range(SETTLING):
            await asyncio.sleep(0)

    async def deliver(self, *, lost: float = 0.0, late: float = 0.0) -> bool:
        """Delivers one packet that is not frozen. False: there is none.

        With the chance `lost` its answer does not arrive; with the chance `late` a packet whose sender is gone stays
        on its way.
        """
        ready = [packet for packet in self.packets if not packet.sender.frozen]
        if not ready:
            return False
        packet = self.random.choice(ready)
        if not packet.sender.alive and self.random.random() < late:
            return True
        self.packets.remove(packet)
        self.told.append(f"{packet.sender.name}: {packet.what}")
        answer, error = await _serve(packet)
        if self.random.random() < lost:
            self.told[-1] += ", answer lost"
            answer, error = await _serve(packet) if packet.repeats else (None, Unavailable("The answer was lost."))
        if not packet.reply.done() and packet.sender.alive:
            packet.reply.set_result(answer) if error is None else packet.reply.set_exception(error)
        await self.settle()
        return True


async def _serve(packet: Packet) -> tuple[Any, Exception | None]:
    try:
        return await packet.serve(), None
    except Exception as exc:  # noqa: BLE001  # whatever a service answers goes to who asked
        return None, exc
