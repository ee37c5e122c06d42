"""The other replicas of this service, as those who follow their runs reach them."""

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing

import grpc

from perdure.runs.v1.run_pb2 import RunEvent
from perdure.runs.v1.run_service_pb2 import WatchRunRequest
from perdure.runs.v1.run_service_pb2_grpc import RunServiceStub
from services.common.channels import open_channel
from services.runs.records import Run
from services.runs.silence import mark_silence

log = logging.getLogger(__name__)

LOOK_S = 1.0  # seconds of silence before a look at whether the owner still lives
WATCH_TIMEOUT_S = 3600.0  # seconds; whoever follows for longer asks again


class ReplicaClient:
    """Follows the runs of other replicas at their owners: one channel to each."""

    def __init__(self) -> None:
        self._addresses: Mapping[str, str] = {}
        self._channels: dict[str, grpc.aio.Channel] = {}

    def meet(self, alive: Mapping[str, str]) -> None:
        """The replicas that live now: where each owner is reached.

        The channel of one that is gone closes when its last follower has noticed.
        """
        self._addresses = alive
        for address in self._channels.keys() - alive.values():
            del self._channels[address]

    async def follow(self, run: Run, after_seq: int) -> AsyncGenerator[Sequence[RunEvent], None]:
        """What the run's owner tells of it, as long as it owns it and lives."""
        owner = run.owner or ""
        address = self._addresses.get(owner)
        if address is None:
            return
        asked = WatchRunRequest(organization_id=run.organization_id, run_id=run.id, after_seq=after_seq, owned=True)
        call = self._stub(address).WatchRun(asked, timeout=WATCH_TIMEOUT_S)
        try:
            async with aclosing(mark_silence(call, LOOK_S)) as answers:
                async for answer in answers:
                    if answer is not None:
                        yield answer.events
                    elif owner not in self._addresses:
                        return
        except grpc.aio.AioRpcError as error:
            log.info("the owner of %s does not tell of it: %s", run.id, error.code())
        finally:
            call.cancel()

    async def close(self) -> None:
        """Hangs up."""
        for channel in self._channels.values():
            await channel.close()

    def _stub(self, address: str) -> RunServiceStub:
        if address not in self._channels:
            self._channels[address] = open_channel(address)
        return RunServiceStub(self._channels[address])
