"""Which part of a list is wanted."""

from dataclasses import dataclass

from services.common.errors import NotFound


class CursorNotFound(NotFound):
    """The item that `before` or `after` names does not exist."""

    reason = "CURSOR_NOT_FOUND"


@dataclass(frozen=True)
class Page:
    """What stands before and after these ids in a list, and how much of that."""

    limit: int
    before: str = ""
    after: str = ""
    descending: bool = True
