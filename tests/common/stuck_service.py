"""A service that cannot stop by itself: `python -m tests.common.stuck_service unix:PATH`."""

import sys
import time

from services.common.server import run, serve


async def hold_up() -> None:
    """Takes far longer than it may, and lets nothing else happen meanwhile."""
    time.sleep(3600)  # noqa: ASYNC251  # that is the point


if __name__ == "__main__":
    run(serve(sys.argv[1], lambda server: (), drain=hold_up))
