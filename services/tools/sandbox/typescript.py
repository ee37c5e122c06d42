"""What runs tools in TypeScript: Node, and the compiler that makes JavaScript of their source."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from services.tools.sandbox.package_cache import PackageSet

COMPILER = PackageSet("typescript", ("typescript@5.9.3",))
RUNNER = Path(__file__).parent / "inside" / "runner.mjs"
OF_MEMORY = 0.75  # share of a call's memory that JavaScript's values may take; Node takes some itself
MEBIBYTE = 1024 * 1024


class NoNode(Exception):
    """There is no Node on this machine."""


def find_node(environment: Mapping[str, str]) -> str:
    """Where Node is. Raises `NoNode`."""
    node = shutil.which("node", path=environment.get("PATH"))
    if not node:
        raise NoNode("this server has no Node.js, which runs tools in TypeScript; install Node.js 18 or newer")
    return str(Path(node).resolve())


def node_program(
    node: str, runner: Path, compiler: Path, packages: Path | None, *, memory_bytes: int
) -> tuple[str, ...]:
    """How calls are run: a command that the numbers of two descriptors are added to."""
    heap = f"--max-old-space-size={int(memory_bytes * OF_MEMORY) // MEBIBYTE}"
    return (node, heap, str(runner), str(compiler), str(packages or ""))
