"""A service of which a part has broken: `python -m tests.common.broken_service unix:PATH`."""

import asyncio
import sys

from services.common.server import run, serve


async def main() -> None:
    """Serves as long as the rest may."""
    broken = asyncio.Event()
    broken.set()
    await serve(sys.argv[1], lambda server: (), broken=broken)


if __name__ == "__main__":
    run(main())
