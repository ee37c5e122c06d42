"""Runs the fake until it is stopped: `python -m tests.fakes.provider --port 9101`."""

import argparse
import asyncio
import signal

import uvloop

from tests.fakes.provider.server import ProviderFake
from tests.fakes.provider.steering import Steering


def _parse_delay(text: str) -> tuple[str, float]:
    part, _, delay_ms = text.rpartition("=")
    if not part:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form TEXT=MS")
    return part, float(delay_ms)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.provider", description="A fake of the model vendors.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9101, help="0 takes a free one")
    parser.add_argument("--ttft-ms", type=float, default=0.0, help="wait before the first token")
    parser.add_argument("--inter-token-ms", type=float, default=0.0, help="wait between tokens")
    parser.add_argument("--keep", type=int, default=1000, help="how many requests to remember")
    parser.add_argument(
        "--delay",
        type=_parse_delay,
        action="append",
        default=[],
        metavar="TEXT=MS",
        help="wait before the first token when the user's message contains the text; can be repeated",
    )
    return parser.parse_args()


async def _serve(arguments: argparse.Namespace) -> None:
    steering = Steering(arguments.ttft_ms, arguments.inter_token_ms, dict(arguments.delay))
    async with ProviderFake(host=arguments.host, port=arguments.port, steering=steering, kept=arguments.keep) as fake:
        print(fake.url, flush=True)
        await _wait_for_stop()


async def _wait_for_stop() -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()


def main() -> None:
    """Entry point."""
    uvloop.run(_serve(_parse_arguments()))


if __name__ == "__main__":
    main()
