"""Sandboxes of calls: forked from a process that has all loaded, used once, and only so many at a time."""

import asyncio
import logging
import shutil
import sysconfig
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from services.tools.sandbox.installer import CannotInstall, Installer
from services.tools.sandbox.job import Event, Failed, Job, Limits
from services.tools.sandbox.layers import Layers
from services.tools.sandbox.network import Reachable
from services.tools.sandbox.package_cache import MAX_BYTES, PackageCache, PackageSet
from services.tools.sandbox.stock import Stock
from services.tools.sandbox.stocks import Release, Stocks
from services.tools.sandbox.typescript import COMPILER, RUNNER, NoNode, find_node, node_program
from services.tools.sandbox.work_folder import WorkFolder
from services.tools.sandbox.zygote import CannotStart, Settings

log = logging.getLogger(__name__)

# What tools can import beside the standard library: pydantic and what it needs.
PACKAGES = ("pydantic", "pydantic_core", "annotated_types", "typing_extensions.py", "typing_inspection")


class SandboxBusy(Exception):
    """No place was free for a call."""


@dataclass(frozen=True)
class SandboxOptions:
    """What can differ between sandboxes.

    `concurrency`: calls at once. `allows_too_few_layers`: tools run also where the machine has neither Landlock nor
    namespaces, or no seccomp. `packages`: where sets of packages are kept; None: as long as the sandbox. `environment`:
    the service's own, of which installers get what concerns them.
    """

    concurrency: int = 16
    allows_too_few_layers: bool = False
    reachable: Reachable = field(default_factory=Reachable)
    packages: Path | None = None
    max_package_bytes: int = MAX_BYTES
    environment: Mapping[str, str] = field(default_factory=dict)


class Sandbox:
    """Runs calls, each shut in a process of its own with a deadline: see docs/security.md."""

    def __init__(self, limits: Limits, options: SandboxOptions) -> None:
        self._limits = limits
        self._options = options
        self._places = asyncio.Semaphore(options.concurrency)
        self._folder = WorkFolder()
        self._packages = _link_packages(self._folder.path / "packages")
        self._runner = Path(shutil.copy(RUNNER, self._folder.path))
        self._runner.chmod(0o644)
        self._cache = self._open_cache()
        self._plain = self._stock()
        self._stocks = Stocks(self._open)

    @property
    def layers(self) -> Layers | None:
        """What keeps calls from the rest of the machine; None as long as nothing could be started."""
        return self._plain.layers

    async def start(self) -> Layers:
        """Starts what calls are forked from, unless it runs: the layers that they have. Raises `CannotStart`."""
        return await self._plain.start()

    async def run(self, job: Job) -> AsyncGenerator[Event, None]:
        """What the job prints, as it prints it, and last a `Returned` or `Failed`. Leaving the loop kills the job."""
        try:
            async with AsyncExitStack() as stack:
                stock = await stack.enter_async_context(self._stock_of(job))
                await stack.enter_async_context(self._place())
                process = await stack.enter_async_context(stock.process(network=job.network))
                events = await stack.enter_async_context(aclosing(process.run(job, self._options.reachable)))
                async for event in events:
                    yield event
        except (CannotInstall, NoNode, SandboxBusy) as exc:
            yield Failed(f"{type(exc).__name__}: {exc}")
        except (CannotStart, OSError) as exc:
            yield Failed(f"SandboxUnavailable: {exc}")

    async def close(self) -> None:
        """Ends what calls are forked from, and removes every folder."""
        await self._stocks.close()
        await self._plain.close()
        await self._cache.close()
        await asyncio.to_thread(self._folder.remove)

    @asynccontextmanager
    async def _stock_of(self, job: Job) -> AsyncIterator[Stock]:
        if job.language == "python" and not job.packages:
            yield self._plain
            return
        async with self._stocks.use(PackageSet(job.language, job.packages)) as stock:
            yield stock

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._limits.waiting_s):
                await self._places.acquire()
        except TimeoutError as exc:
            raise SandboxBusy(f"no place was free for the call within {self._limits.waiting_s:g} s") from exc
        try:
            yield
        finally:
            self._places.release()

    async def _open(self, wanted: PackageSet) -> tuple[Stock, Release]:
        with ExitStack() as used:
            if wanted.language == "python":
                stock = self._stock(path=(str(await self._use(used, wanted)),))
            else:
                stock = await self._typescript_stock(used, wanted)
            return stock, used.pop_all().close

    async def _typescript_stock(self, used: ExitStack, wanted: PackageSet) -> Stock:
        node = find_node(self._options.environment)
        compiler = await self._use(used, COMPILER)
        packages = await self._use(used, wanted) if wanted.packages else None
        program = node_program(node, self._runner, compiler, packages, memory_bytes=self._limits.memory_bytes)
        readable = (node, *map(str, filter(None, (self._runner, compiler, packages))))
        return self._stock(program=program, readable=readable)

    async def _use(self, used: ExitStack, wanted: PackageSet) -> Path:
        folder = await self._cache.use(wanted)
        used.callback(self._cache.release, folder)
        return folder

    def _open_cache(self) -> PackageCache:
        installer, max_bytes = Installer(self._options.environment), self._options.max_package_bytes
        if self._options.packages:
            try:
                return PackageCache(self._options.packages, installer, max_bytes=max_bytes)
            except BlockingIOError as exc:
                log.warning("%s: this one keeps its own until it ends", exc)
        return PackageCache(self._folder.path / "sets", installer, max_bytes=max_bytes)

    def _stock(
        self, *, path: tuple[str, ...] = (), program: tuple[str, ...] = (), readable: tuple[str, ...] = ()
    ) -> Stock:
        root, calls = (self._folder.path / name for name in ("root", "calls"))
        settings = Settings(self._packages, root, self._limits, path=path, program=program, readable=readable)
        return Stock(settings, calls, allows_too_few_layers=self._options.allows_too_few_layers)


def _link_packages(folder: Path) -> Path:
    """A folder with just the packages that tools may import."""
    folder.mkdir()
    folder.chmod(0o755)
    installed = Path(sysconfig.get_path("platlib"))
    for name in PACKAGES:
        (folder / name).symlink_to(installed / name)
    return folder
