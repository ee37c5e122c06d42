"""Sets of packages on disk: installed once, kept while there is room."""

import asyncio
import fcntl
import hashlib
import logging
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from services.tools.sandbox.installer import CannotInstall, Installer
from services.tools.sandbox.job import Language
from services.tools.sandbox.removal import remove_folder

AT_ONCE = 2  # installations
FAILURE_S = 60.0  # seconds for which a failure is repeated instead of the installation
MAX_BYTES = 4 * 1024**3
UNFINISHED = ".new-"  # begins the names of folders that are being filled
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PackageSet:
    """Packages that a tool needs, as `read_requirements` gives them."""

    language: Language = "python"
    packages: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """The name of its folder: the same for the same packages and interpreter."""
        what = "\n".join((self.language, sys.implementation.cache_tag or "", *self.packages))
        return hashlib.sha256(what.encode()).hexdigest()[:32]


class PackageCache:
    """Folders with packages. The folder of them all belongs to this process alone.

    `max_bytes`: beyond that, sets go that were not used for the longest time, unless they are in use.
    """

    def __init__(self, folder: Path, installer: Installer, *, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._installer = installer
        self._max_bytes = max_bytes
        self._installing: dict[PackageSet, asyncio.Task[None]] = {}
        self._failures: dict[PackageSet, tuple[float, CannotInstall]] = {}
        self._places = asyncio.Semaphore(AT_ONCE)
        self._uses: Counter[Path] = Counter()
        self._lock = _take_over(folder)

    async def use(self, wanted: PackageSet) -> Path:
        """The set's folder, which stays until it is released. Raises `CannotInstall`."""
        folder = self._folder / wanted.folder
        if not folder.exists():
            await self._install_once(wanted)
        self._uses[folder] += 1
        os.utime(folder)
        return folder

    def release(self, folder: Path) -> None:
        """Says that a folder is not used any more."""
        self._uses[folder] -= 1

    async def close(self) -> None:
        """Ends what is being installed."""
        for task in self._installing.values():
            task.cancel()
        await asyncio.gather(*self._installing.values(), return_exceptions=True)
        os.close(self._lock)

    async def _install_once(self, wanted: PackageSet) -> None:
        """All who want the same set wait for one installation, which goes on when they leave."""
        until, failure = self._failures.get(wanted, (0.0, CannotInstall()))
        if time.monotonic() < until:
            raise failure
        if wanted not in self._installing:
            task = self._installing[wanted] = asyncio.create_task(self._install(wanted))
            task.add_done_callback(lambda task: self._end(wanted, task))
        await asyncio.shield(self._installing[wanted])

    def _end(self, wanted: PackageSet, task: asyncio.Task[None]) -> None:
        del self._installing[wanted]
        now = time.monotonic()
        self._failures = {one: failed for one, failed in self._failures.items() if failed[0] > now}
        if not task.cancelled() and isinstance(failure := task.exception(), CannotInstall):
            self._failures[wanted] = (now + FAILURE_S, failure)

    async def _install(self, wanted: PackageSet) -> None:
        async with self._places:
            unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=self._folder))
            try:
                await self._installer.install(wanted.language, wanted.packages, unfinished)
                size = await asyncio.to_thread(_size_of_new, unfinished)
                if size > self._max_bytes:
                    raise CannotInstall(f"the packages take {size} bytes; at most {self._max_bytes} are kept")
                os.chmod(unfinished, 0o755)  # noqa: S103  # calls of root run as another user
                os.rename(unfinished, self._folder / wanted.folder)
            finally:
                await asyncio.to_thread(remove_folder, unfinished)
        log.info("Installed packages for tools: %s", ", ".join(wanted.packages))
        await self._make_room(self._folder / wanted.folder)

    async def _make_room(self, new: Path) -> None:
        """Removes the sets that were used least recently, but none in use and not the new one."""
        sizes = await asyncio.to_thread(_sizes, self._folder)
        staying = {folder for folder in sizes if self._uses[folder] or folder == new}
        room = self._max_bytes - sum(sizes[folder] for folder in staying)
        for folder in [one for one in sizes if one not in staying]:
            room -= sizes[folder]
            if room < 0 and not self._uses[folder]:
                removed = self._folder / f"{UNFINISHED}{folder.name}"
                folder.rename(removed)  # at once, so that nobody finds half of it
                await asyncio.to_thread(remove_folder, removed)


def _take_over(folder: Path) -> int:
    """Locks the folder, and removes what an installation that was killed has left. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(lock)
        raise BlockingIOError(exc.errno, f"another process uses the packages in {folder}") from exc
    for left in folder.glob(f"{UNFINISHED}*"):
        remove_folder(left)
    return lock


def _sizes(folder: Path) -> dict[Path, int]:
    """The sets and what they take, those used last first."""
    sets = [one for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")]
    sets.sort(key=lambda one: one.stat().st_mtime, reverse=True)
    return {one: _size(one) for one in sets}


def _size_of_new(folder: Path) -> int:
    """Raises `CannotInstall`: packages may have folders of any depth."""
    try:
        return _size(folder)
    except RecursionError as exc:
        raise CannotInstall("the folders of the packages are nested too deeply") from exc


def _size(folder: Path) -> int:
    return sum(one.lstat().st_size for one in folder.rglob("*"))
