"""Several objects as one."""

from typing import Any


class Combined:
    """Has every method of its parts, where the subjects of this service make up one gRPC service."""

    def __init__(self, *parts: object) -> None:
        self._parts = parts

    def __getattr__(self, name: str) -> Any:  # a method of some part
        """That of the first part which has it. Raises AttributeError."""
        for part in self._parts:
            if hasattr(part, name):
                return getattr(part, name)
        raise AttributeError(f"No part has {name}")
