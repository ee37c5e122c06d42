"""The `perdure` command."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from services.cli.data_dir import default_data_dir
from services.cli.process import StartFailed
from services.cli.stack import StackOptions
from services.cli.up import up


def main() -> int:
    """Runs the command that the arguments name; returns the exit code."""
    arguments = parser().parse_args()
    try:
        return int(arguments.run(arguments) or 0)
    except StartFailed as exc:
        print(f"perdure: {exc}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    """What the command takes."""
    top = argparse.ArgumentParser(prog="perdure", description="A server for stateful LLM agents.")
    commands = top.add_subparsers(required=True, metavar="command")
    command = commands.add_parser("up", help="start everything on this machine")
    command.add_argument("--port", type=port_number, default=8283, help="port on 127.0.0.1 (default: 8283)")
    command.add_argument("--data-dir", type=Path, default=default_data_dir(), help="default: %(default)s")
    command.add_argument("--verbose", action="store_true", help="print the logs, too")
    command.set_defaults(run=run_up)
    command = commands.add_parser("migrate", help="bring the database at DATABASE_URL to the newest schema")
    command.set_defaults(run=run_migrate)
    return top


def port_number(text: str) -> int:
    """A TCP port."""
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text} is not a port (1 to 65535)")
    return int(text)


def run_up(arguments: argparse.Namespace) -> None:
    """`perdure up`."""
    if sys.platform != "linux":
        raise StartFailed("perdure up needs Linux (on Windows: WSL 2).")
    options = StackOptions(arguments.data_dir.expanduser().absolute(), arguments.port)
    asyncio.run(up(options, verbose=arguments.verbose))


def run_migrate(_: argparse.Namespace) -> None:
    """`perdure migrate`."""
    from services.common.database import migrate  # `perdure up` does without it, to start fast

    url = os.environ.get("DATABASE_URL")
    if not url:
        raise StartFailed("DATABASE_URL must be set.")
    asyncio.run(migrate(url))


if __name__ == "__main__":
    sys.exit(main())
