"""Measures a whole stack against a local fake provider: `make bench`.

Everything, this program and the fake included, shares the machine. The floor is the same model call made directly.
"""

import asyncio
import os
import tempfile
import time
from pathlib import Path

from bench.figures import Row, print_rows
from bench.resources import measure_memory, measure_operations
from bench.streams import measure_streams
from bench.tools import measure_tools
from bench.turns import measure_turns
from services.cli.stack import Stack, StackOptions
from tests.fakes.process import fake_provider

PORT = 18383


async def main() -> None:
    """Starts the stack twice (the second time as a user would the day after) and prints the figures."""
    with tempfile.TemporaryDirectory(prefix="perdure-bench-") as folder:
        os.chmod(folder, 0o711)  # Postgres may run as another user
        async with fake_provider(kept=1) as fake:
            environment = {**os.environ, "OPENAI_API_KEY": "bench", "OPENAI_BASE_URL": f"{fake}/openai/v1"}
            options = StackOptions(Path(folder) / "data", PORT, environment)
            starts = []
            for _ in range(2):
                began = time.perf_counter()
                async with Stack(options, report=lambda _: None):
                    starts.append(time.perf_counter() - began)
            print_rows("Start", [Row("first", f"{starts[0]:.1f} s"), Row("again", f"{starts[1]:.1f} s", aim="< 5 s")])
            async with Stack(options, report=print) as stack:
                print_rows("Turns of one step", await measure_turns(stack.url, fake))
                print_rows("Streams of 100 tokens per second", await measure_streams(stack.url, fake))
                print_rows("Calls of tools", await measure_tools(stack.environment["PERDURE_TOOLS_ADDRESS"]))
                print_rows("Operations", await measure_operations(stack.url))
                pids = {name: process.pid for name, process in stack.processes.items()}
                print_rows("Memory after this", measure_memory(pids))


if __name__ == "__main__":
    asyncio.run(main())
