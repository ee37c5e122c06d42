"""Pages of messages as the public API lists them: whole messages, in pieces."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from perdure.conversation.v1.message_pb2 import Message
from services.agents.paging import Page
from services.common.pieces import Piece, Shown, render_pieces

SCANNED = 100  # messages read at a time while a filter lets none through

ReadPage = Callable[[Page], Awaitable[list[Message]]]


async def list_pieces(read: ReadPage, page: Page, shown: Shown) -> list[Piece]:
    """The pieces of a page in its order; those of one message stay together.

    Programs take an empty list for the end, so where a filter lets nothing of the page through, the next messages that
    show something stand in for it.
    """
    messages = await read(page)
    pieces = _render(messages, page, shown)
    while messages and not pieces:
        last = messages[-1].id
        further = replace(page, before=last) if page.descending else replace(page, after=last)
        messages = await read(replace(further, limit=max(page.limit, SCANNED)))
        visible = [message for message in messages if render_pieces(message, shown)]
        pieces = _render(visible[: page.limit], page, shown)
    return pieces


def _render(messages: list[Message], page: Page, shown: Shown) -> list[Piece]:
    rendered = (render_pieces(message, shown) for message in messages)
    return [piece for pieces in rendered for piece in (reversed(pieces) if page.descending else pieces)]
