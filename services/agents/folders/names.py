"""Names of files in a folder."""

from collections.abc import Container
from itertools import count
from pathlib import PurePosixPath


def free_name(wanted: str, taken: Container[str]) -> str:
    """The name, or the first of `test_(1).txt`, `test_(2).txt`, … that is not taken."""
    if wanted not in taken:
        return wanted
    path = PurePosixPath(wanted)
    stem, suffix = (path.stem, path.suffix) if path.suffix else (wanted, "")
    return next(name for number in count(1) if (name := f"{stem}_({number}){suffix}") not in taken)


def last_part(name: str) -> str:
    """A sender's file name without the folders that may stand before it."""
    return name.replace("\\", "/").rstrip("/").rpartition("/")[2]
