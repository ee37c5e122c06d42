"""Pages of typed lists."""

from services.common.errors import InvalidArgument

DEFAULT_PAGE = 50  # items
MAX_PAGE = 1000  # items; who asks for more gets these


def read_page_size(asked: int) -> int:
    """How many items a request's `page_size` means; 0 is the usual size. Raises `InvalidArgument`."""
    if asked < 0:
        raise InvalidArgument(f"INVALID_ARGUMENT: page_size is {asked}; it must be 0, for {DEFAULT_PAGE}, or more.")
    return min(asked or DEFAULT_PAGE, MAX_PAGE)
