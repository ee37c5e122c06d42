"""JSON objects as tools use them."""

from typing import Any


class Record(dict[str, Any]):  # Any: JSON
    """A JSON object whose keys are attributes as well."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value
