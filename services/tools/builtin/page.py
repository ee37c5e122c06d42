"""Pages of the web as text."""

from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser, LexborNode

from services.common.errors import Unavailable

_UNSEEN = ("script", "style", "noscript", "template", "svg", "iframe", "canvas", "form", "nav", "footer", "head")
_HEADINGS = {f"h{level}": "#" * level for level in range(1, 7)}
_LISTS_AND_TABLES = ("ul", "ol", "li", "dl", "dt", "dd", "table", "tr")
_PASSAGES = ("p", "div", "section", "article", "main", "header", "blockquote", "pre", "figure", "address", "br", "hr")
_BLOCKS = frozenset((*_HEADINGS, *_LISTS_AND_TABLES, *_PASSAGES))


class PageFailed(Unavailable):
    """The page cannot be had, or is none that can be read; the message says why."""

    reason = "FETCH_FAILED"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, should_retry=False)


@dataclass(frozen=True)
class Page:
    """What an address gave, after redirects: its own address, its media type and its text as sent."""

    url: str
    media_type: str
    text: str


class Web(Protocol):
    """Where pages are."""

    async def fetch(self, url: str) -> Page:
        """The page at an address. Raises `PageFailed`."""


def read_page(page: Page) -> str:
    """A page as a model reads it: its title and address, then its text; HTML with headings, lists and links marked."""
    if page.media_type not in ("text/html", "application/xhtml+xml"):
        return f"{page.url}\n\n{page.text.strip()}"
    tree = LexborHTMLParser(page.text)
    title_node = tree.css_first("title")
    title = title_node.text(strip=True) if title_node else ""
    tree.strip_tags(list(_UNSEEN))
    text = _Writer(page.url).write(tree.body) if tree.body else ""
    return "\n\n".join(filter(None, (f"# {title}" if title else "", page.url, text)))


class _Writer:
    """Writes the text of a tree, a line for each block."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lines: list[str] = []
        self._line = ""

    def write(self, root: LexborNode) -> str:
        # Its own stack: pages nest deeper than calls can.
        waiting: list[LexborNode | str] = [root]
        while waiting:
            node = waiting.pop()
            if isinstance(node, str):
                self._add(node)
            elif node.is_text_node:
                self._line += node.text_content or ""
            else:
                waiting += self._open(node)
        self._break()
        return "\n".join(self._lines).strip()

    def _open(self, node: LexborNode) -> list[LexborNode | str]:
        """Begins an element: what is to be written of it, the last first."""
        tag = node.tag or ""
        closing: list[LexborNode | str] = []
        if tag in _BLOCKS:
            self._break()
            self._line = f"{_HEADINGS[tag]} " if tag in _HEADINGS else "- " if tag == "li" else ""
            closing = ["\n"]
        elif tag in ("td", "th"):
            closing = [" | "]
        elif tag == "a" and (target := self._target(node)) and node.text(strip=True):
            closing = [f" ({target})"]
        return [*closing, *reversed(list(node.iter(include_text=True)))]

    def _target(self, node: LexborNode) -> str:
        try:
            target = urljoin(self._url, node.attributes.get("href") or "")
        except ValueError:
            return ""
        return target if target.startswith(("http://", "https://")) and target != self._url else ""

    def _add(self, text: str) -> None:
        if text == "\n":
            self._break()
        else:
            self._line = self._line.rstrip() + text

    def _break(self) -> None:
        line = " ".join(self._line.split())
        if line.strip("#-| "):
            self._lines.append(line)
        self._line = ""
