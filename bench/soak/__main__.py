"""Lets a whole stack work for a while and looks at what grows: `make soak MINUTES=20`.

Ends with 1 when something grew beyond noise, or when a request failed that should not.
"""

import argparse
import asyncio
import os
import tempfile
import time
from pathlib import Path

from bench.figures import Row, print_rows
from bench.soak.sampling import Sampler
from bench.soak.slopes import Slope, slope_of
from bench.soak.traffic import Traffic
from services.cli.stack import Stack, StackOptions
from tests.fakes.process import fake_provider

PORT = 18384
REPLICAS = {"runs": 2, "agents": 2}
# What is kept for a time is kept for three minutes, so that its end can be seen.
SOON_FORGOTTEN = {"PERDURE_RUN_EVENTS_HOURS": "0.05", "PERDURE_TRACE_DAYS": "0.002"}
SAMPLES = 90  # over the whole time
WARM_UP = 0.3  # of the time: pools, caches and the allocator fill up first


async def main() -> int:
    """How many things grew or failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--clients", type=int, default=6, help="programs at work at once")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="perdure-soak-") as folder:
        os.chmod(folder, 0o711)  # Postgres may run as another user
        async with fake_provider(kept=1) as fake:
            provider = {"OPENAI_API_KEY": "soak", "OPENAI_BASE_URL": f"{fake}/openai/v1"}
            environment = {**os.environ, **provider, **SOON_FORGOTTEN}
            options = StackOptions(Path(folder) / "data", PORT, environment, replicas=REPLICAS)
            async with Stack(options) as stack:
                return await _soak(stack, chosen.minutes, chosen.clients)


async def _soak(stack: Stack, minutes: float, clients: int) -> int:
    traffic, sampler = Traffic(stack.url), Sampler(stack)
    end = time.monotonic() + minutes * 60
    async with asyncio.TaskGroup() as group:
        group.create_task(sampler.run(minutes * 60 / SAMPLES, end))
        for number in range(clients):
            group.create_task(traffic.work(number, end))
    slopes = {name: slope_of(name, series, WARM_UP) for name, series in sorted(sampler.series.items())}
    print_rows("Traffic", [Row(name, str(count)) for name, count in sorted(traffic.done.items())])
    print_rows("Growth per hour, after warm-up", [_row(slope) for slope in slopes.values() if slope.is_worth_a_line])
    grown = [slope.name for slope in slopes.values() if slope.is_growth]
    print(f"\n{minutes:g} minutes, {sum(traffic.done.values())} pieces of work, {len(traffic.failures)} failures")
    for failure in traffic.failures[:20]:
        print(f"  failed: {failure}")
    print(f"  grew: {', '.join(grown) or 'nothing'}")
    return len(grown) + len(traffic.failures)


def _row(slope: Slope) -> Row:
    return Row(
        slope.name, f"{slope.per_hour:+.1f}", f"{slope.mean:.1f} ± {slope.noise:.1f}", "GREW" if slope.is_growth else ""
    )


if __name__ == "__main__":
    raise SystemExit(1 if asyncio.run(main()) else 0)
