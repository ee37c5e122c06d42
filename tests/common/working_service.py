"""A service with work beside answering: `python -m tests.common.working_service unix:PATH WORK`."""

import asyncio
import sys

from services.common.background import Background
from services.common.server import run, serve


async def break_off() -> None:
    """Work that meets what it never expected."""
    raise ValueError("a row that nobody expected")


async def last() -> None:
    """Work that goes on."""
    await asyncio.Event().wait()


async def main() -> None:
    """Serves as long as the rest may."""
    async with Background() as background:
        background.begin("sweep", {"break_off": break_off, "last": last}[sys.argv[2]]())
        await serve(sys.argv[1], lambda server: (), broken=background.broken)


if __name__ == "__main__":
    run(main())
