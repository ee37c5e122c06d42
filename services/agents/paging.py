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


def cut_list(ids: list[str], page: Page) -> list[str]:
    """The page of a short list of ids that is oldest first. Raises `CursorNotFound`."""
    ordered = ids[::-1] if page.descending else ids
    for cursor in filter(None, (page.after, page.before)):
        if cursor not in ordered:
            raise CursorNotFound(f"There is no {cursor} to page from.")
    start = ordered.index(page.after) + 1 if page.after else 0
    end = ordered.index(page.before) if page.before else len(ordered)
    return ordered[start:end][: page.limit]
