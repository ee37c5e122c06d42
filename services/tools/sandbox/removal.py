"""Removing folders that tools or packages have filled."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4


def remove_folder(folder: Path) -> None:
    """Removes a folder of any depth, whatever the modes of those in it; what cannot be removed stays.

    Folders move up to the top before they are emptied: going down to them takes stack and descriptors for each level.
    """
    waiting = [folder]
    with suppress(OSError):
        while waiting:
            one = waiting.pop()
            waiting += _empty(one, top=folder)
            if one != folder:
                one.rmdir()
        folder.rmdir()


def _empty(folder: Path, *, top: Path) -> Iterator[Path]:
    """Removes files, and gives the folders that it moved to the top."""
    for entry in list(os.scandir(folder)):
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(entry)
            continue
        os.chmod(entry, stat.S_IRWXU)
        yield Path(entry).rename(top / str(uuid4()))
