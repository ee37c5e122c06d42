"""A service that cannot stop by itself: `python -m tests.common.stuck_service unix:PATH drain|leave`."""

import sys
import time

from services.common.server import run, serve


async def hold_up() -> None:
    """Takes far longer than it may, and lets nothing else happen meanwhile."""
    time.sleep(3600)  # noqa: ASYNC251  # that is the point


async def drain() -> None:
    """Is done at once, whatever time it has."""


async def main(listen: str, stuck: str) -> None:
    """Hangs as it drains, or after."""
    if stuck == "drain":
        await serve(listen, lambda server: (), drain=hold_up)
    else:
        await serve(listen, lambda server: (), drain=drain, drain_s=3600)
        await hold_up()


if __name__ == "__main__":
    run(main(*sys.argv[1:]))
