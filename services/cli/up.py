"""`perdure up`: runs the stack in the foreground until it is told to stop."""

import asyncio
import json
import signal
import urllib.request
from contextlib import suppress
from pathlib import Path

from services.cli.stack import Stack, StackOptions

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FOLLOW_S = 0.2  # seconds between two looks at the logs
MODELS_TIMEOUT_S = 10.0  # seconds; the router may have to ask every provider
BUILT_IN_PROVIDER = "perdure"

EXAMPLE = """
  from letta_client import Letta
  client = Letta(base_url="{url}"); agent = client.agents.create(model="{model}")
  print(client.agents.messages.create(agent.id, input="Hello").messages[-1].content)
"""


async def up(options: StackOptions, *, verbose: bool) -> None:
    """Runs until SIGINT, SIGTERM or SIGHUP, then stops everything. Raises `StartFailed`."""
    told_to_stop = asyncio.Event()
    for number in STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, told_to_stop.set)
    serving = asyncio.create_task(serve(options, verbose=verbose))
    waiting = asyncio.create_task(told_to_stop.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if told_to_stop.is_set():
        say("Stopping")
    waiting.cancel()
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving


async def serve(options: StackOptions, *, verbose: bool) -> None:
    """Starts the stack, says where it is, and stays until cancelled."""
    following = asyncio.create_task(follow(options.data_dir / "logs")) if verbose else None
    try:
        async with Stack(options, say) as stack:
            await introduce(stack.url)
            await asyncio.Event().wait()
    finally:
        if following:
            following.cancel()


async def introduce(url: str) -> None:
    """Prints the address, the providers and an example."""
    say(f"\nPerdure is ready at {url}")
    try:
        models = await asyncio.to_thread(read_models, url)
    except (OSError, ValueError) as exc:
        say(f"The models cannot be listed: {exc}")
        return
    own = [model for model in models if model["provider_name"] != BUILT_IN_PROVIDER]
    if own:
        say(f"Providers: {', '.join(sorted({model['provider_name'] for model in own}))}")
    else:
        say("No model provider is configured (set OPENAI_API_KEY or another); the built-in perdure/echo answers.")
    say(EXAMPLE.format(url=url, model=own[0]["handle"] if own else "perdure/echo"))


def read_models(url: str) -> list[dict[str, str]]:
    """The language models that the router offers."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(f"{url}/v1/models", timeout=MODELS_TIMEOUT_S) as answer:
        models: list[dict[str, str]] = json.load(answer)
        return models


async def follow(logs: Path) -> None:
    """Prints what is added to the logs, for ever."""
    read = {log: log.stat().st_size for log in logs_in(logs)}
    while True:
        for log in logs_in(logs):
            read[log] = print_from(log, read.get(log, 0))
        await asyncio.sleep(FOLLOW_S)


def logs_in(folder: Path) -> list[Path]:
    """The logs of all processes."""
    return sorted(folder.glob("*.log"))


def print_from(log: Path, start: int) -> int:
    """Prints a log from a position on, each line after the name of its process; returns the new position."""
    with log.open("rb") as lines:
        lines.seek(min(start, log.stat().st_size))
        for line in lines:
            say(f"{log.stem}: {line.decode(errors='replace').rstrip()}")
        return lines.tell()


def say(text: str) -> None:
    """Prints at once, also into a pipe."""
    print(text, flush=True)
