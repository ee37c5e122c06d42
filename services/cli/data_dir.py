"""The folder where one local stack keeps its data, and the short-lived folder of its sockets."""

import base64
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from services.cli.process import StartFailed

SECRET_KEY_BYTES = 32  # AES-256


def default_data_dir() -> Path:
    """`/var/lib/perdure` for root, `~/.perdure` for everybody else."""
    return Path("/var/lib/perdure") if os.geteuid() == 0 else Path.home() / ".perdure"


@dataclass(frozen=True)
class DataDir:
    """Paths inside a data directory; made by `open_data_dir` only."""

    path: Path
    sockets: Path  # unix socket paths are limited to 107 bytes, so they live elsewhere

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.path / "logs"

    def secret_key(self) -> str:
        """The key that secrets are encrypted with, made at the first call; base64url."""
        file = self.path / "secret.key"
        if not file.exists():
            key = base64.urlsafe_b64encode(secrets.token_bytes(SECRET_KEY_BYTES))
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as out:
                out.write(key)
        return file.read_text().strip()


@contextmanager
def open_data_dir(path: Path) -> Iterator[DataDir]:
    """Makes the folders and holds the lock on them; `StartFailed` says what is wrong with them."""
    path = path.expanduser().absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (path / "lock").open("a+")
    except OSError as exc:
        raise StartFailed(f"The data directory {path} cannot be used: {exc.strerror}.") from exc
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartFailed(f"Another perdure up is running with the data directory {path}.") from None
        try:
            (path / "logs").mkdir(mode=0o700, exist_ok=True)
            sockets = make_socket_dir(path)
        except OSError as exc:
            raise StartFailed(f"The data directory {path} cannot be used: {exc}.") from exc
        try:
            yield DataDir(path, sockets)
        finally:
            shutil.rmtree(sockets, ignore_errors=True)


def make_socket_dir(data_dir: Path) -> Path:
    """An empty folder below /tmp, the same one for the same data directory.

    Others may pass through it, as Postgres may run as another user; the folders in it are closed to them.
    """
    digest = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:12]
    folder = Path(f"/tmp/perdure-{os.geteuid()}-{digest}")  # noqa: S108  # fails if it is somebody else's
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)
    folder.mkdir()
    folder.chmod(0o711)
    for name in ("postgres", "services"):
        (folder / name).mkdir(mode=0o700)
    return folder
