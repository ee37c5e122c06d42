"""What the fake vendors were asked for, seen from outside their process."""

from typing import Any

import httpx

from tests.e2e.waiting import eventually

Received = dict[str, Any]  # JSON: the fields of tests.fakes.provider.traffic.Received


class Vendors:
    """The window of the fake on its traffic."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def received(self, text: str = "") -> list[Received]:
        """The completion requests so far whose body holds a text, in order."""
        response = await self._http.get("/_received", params={"text": text})
        return [one for one in response.json() if one["method"] == "POST"]

    async def last(self, text: str = "") -> Received:
        """The latest of these."""
        return (await self.received(text))[-1]

    async def script(self, directive: str, times: int = 1) -> None:
        """Steers the next requests, whatever they say."""
        await self._http.post("/_script", json={"directive": directive, "times": times})

    async def release(self, name: str) -> None:
        """Lets the answers go on that the directive `hold=name` holds."""
        await self._http.post("/_release", json={"hold": name})

    async def forget(self) -> None:
        """Forgets what was received."""
        await self._http.delete("/_received")

    async def wait_until_asked(self, text: str) -> None:
        """Until a request that holds a text was received."""

        async def is_asked() -> bool:
            return bool(await self.received(text))

        await eventually(is_asked)

    async def wait_until_speaking(self, text: str) -> None:
        """Until a model has begun to answer a request that holds a text."""

        async def is_speaking() -> bool:
            return any(one["tokens_sent"] for one in await self.received(text))

        await eventually(is_speaking)

    async def wait_until_hung_up(self, text: str) -> None:
        """Until the caller has closed the connection of a request that holds a text."""

        async def is_hung_up() -> bool:
            return any(one["disconnected"] for one in await self.received(text))

        await eventually(is_hung_up)
