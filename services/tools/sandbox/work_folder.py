"""The folder of a sandbox, for what it needs while it runs."""

import fcntl
import os
import tempfile
from pathlib import Path

from services.tools.sandbox.removal import remove_folder

PREFIX = "perdure-tools-"
NEW = "perdure-new-"


class WorkFolder:
    """A new temporary folder. Those of processes that were killed are removed on the way."""

    def __init__(self, parent: Path | None = None) -> None:
        for left in (parent or Path(tempfile.gettempdir())).glob(f"{PREFIX}*"):
            _remove_if_left(left)
        new = Path(tempfile.mkdtemp(prefix=NEW, dir=parent))
        self._lock = _lock(new)
        self.path = new.rename(new.with_name(f"{PREFIX}{new.name.removeprefix(NEW)}"))  # now others may look at it
        for folder in (self.path, self.path / "root", self.path / "calls"):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o711)  # calls of root run as another user

    def remove(self) -> None:
        """Removes the folder."""
        os.close(self._lock)
        remove_folder(self.path)


def _remove_if_left(folder: Path) -> None:
    """Removes a folder of ours that nobody has locked."""
    try:
        lock = _lock(folder)
    except OSError:
        return
    remove_folder(folder)
    os.close(lock)


def _lock(folder: Path) -> int:
    """Locks it for as long as this process lives. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_uid != os.getuid():
            raise PermissionError(f"{folder} belongs to somebody else")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
