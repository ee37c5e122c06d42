"""Plays many seeds: `python -m tests.simulation --seeds 10000 --first 0`."""

import argparse
import asyncio
import os
import tempfile
import time
from collections import Counter
from pathlib import Path

from services.cli.data_dir import open_data_dir
from services.cli.embedded.postgres import EmbeddedPostgres
from services.common.database import migrate
from tests.conftest import running
from tests.simulation.play import Broken, play
from tests.simulation.services import open_agents


async def main() -> int:
    """How many seeds broke a promise."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first; the others follow it")
    chosen = parser.parse_args()
    happened: Counter[str] = Counter()
    broken: list[int] = []
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o711)  # Postgres runs as another user when we are root
        with open_data_dir(Path(name) / "data") as data_dir:
            postgres = EmbeddedPostgres(data_dir)
            await postgres.prepare()
            async with running(postgres):
                await migrate(postgres.url)
                async with open_agents(postgres.url, Path(name)) as agents:
                    for seed in range(chosen.first, chosen.first + chosen.seeds):
                        try:
                            happened += await play(agents, seed)
                        except Broken as problem:
                            print(problem)
                            broken.append(seed)
    took_s = time.monotonic() - began
    print(f"{chosen.seeds} seeds from {chosen.first} in {took_s:.0f} s: {len(broken)} broke a promise {broken}")
    print(", ".join(f"{name} {count}" for name, count in happened.most_common()))
    return len(broken)


raise SystemExit(1 if asyncio.run(main()) else 0)
