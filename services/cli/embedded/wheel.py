"""Finding the programs that PyPI wheels carry."""

import importlib.util
from pathlib import Path


def wheel_folder(package: str) -> Path | None:
    """Where an installed package lies; None if it is not installed. Does not import it."""
    spec = importlib.util.find_spec(package)
    return Path(next(iter(spec.submodule_search_locations))) if spec and spec.submodule_search_locations else None
