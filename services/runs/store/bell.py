"""Wake-ups between replicas, through Redis. They only save time: the heartbeat finds everything too."""

import asyncio
import logging
from collections.abc import Callable

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.common.redis import undisturbed

log = logging.getLogger(__name__)

CHANNEL = "perdure:runs"
RETRY_S = 1.0  # seconds before listening is tried again
POLL_S = 1.0  # seconds that one wait for a message takes; below the client's own timeout


class RedisBell:
    """Rings on a channel that all replicas listen to."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    async def ring(self, text: str) -> None:
        """Wakes the others, if Redis is there."""
        try:
            await undisturbed(self._redis.publish(CHANNEL, text))
        except RedisError as exc:
            log.warning("the others cannot be woken: %s", exc)

    async def listen(self, heard: Callable[[str], None]) -> None:
        """Calls `heard` with every text, until cancelled."""
        while True:
            try:
                async with self._redis.pubsub() as channel:
                    await channel.subscribe(CHANNEL)
                    while True:
                        message = await channel.get_message(ignore_subscribe_messages=True, timeout=POLL_S)
                        if message is not None:
                            heard(message["data"].decode(errors="replace"))
            except RedisError as exc:
                log.warning("wake-ups cannot be heard: %s", exc)
                await asyncio.sleep(RETRY_S)
