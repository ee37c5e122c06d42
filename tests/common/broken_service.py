"""A service of which a part breaks off: `python -m tests.common.broken_service unix:PATH`."""

import sys

from services.common.background import Background
from services.common.server import run, serve


async def break_off() -> None:
    """Work that meets what it never expected."""
    raise ValueError("a row that nobody expected")


async def main() -> None:
    """Serves as long as the rest may."""
    async with Background() as background:
        background.begin("sweep", break_off())
        await serve(sys.argv[1], lambda server: (), broken=background.broken)


if __name__ == "__main__":
    run(main())
