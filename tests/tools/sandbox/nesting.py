"""Folders within folders."""

import os
from pathlib import Path

LEVELS = 3000  # more than a path can name, or Python's stack can take


def nest(folder: Path) -> None:
    """Makes as many folders, each in the one before."""
    descriptor = os.open(folder, os.O_RDONLY)
    for _ in range(LEVELS):
        os.mkdir("d", dir_fd=descriptor)
        deeper = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = deeper
    os.close(descriptor)
