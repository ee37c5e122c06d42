"""Fetching pages of the web over HTTP."""

import asyncio
import re

import httpx2

from services.common.public_addresses import ForbiddenAddress
from services.common.public_http import PublicTransport
from services.tools.builtin.page import Page, PageFailed

TIMEOUT_S = 20.0  # seconds for the whole page, redirects included
MAX_BYTES = 5 * 1024 * 1024  # of a page, unpacked
MAX_REDIRECTS = 5
_HEADERS = {
    "user-agent": "Mozilla/5.0 (compatible; Perdure)",
    "accept": "text/html,application/xhtml+xml,text/*;q=0.9,application/json;q=0.9,*/*;q=0.1",
}
_TEXTUAL = re.compile(r"text/|application/(json|xml|xhtml\+xml|javascript|x-ndjson|yaml)$|application/.+\+(json|xml)$")
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset=[\"']?([\w-]{1,40})", re.IGNORECASE)
_HEAD_BYTES = 2048  # where HTML may name its encoding (https://html.spec.whatwg.org/#charset, with room to spare)


class HttpPages:
    """Fetches pages. Unless `allow_private`, only from public addresses, wherever redirects lead."""

    def __init__(self, *, allow_private: bool) -> None:
        self._http = httpx2.AsyncClient(
            transport=None if allow_private else PublicTransport(),
            trust_env=False,
            follow_redirects=True,
            max_redirects=MAX_REDIRECTS,
            timeout=TIMEOUT_S,
            headers=_HEADERS,
        )

    async def fetch(self, url: str) -> Page:
        """The page at an address. Raises `PageFailed`."""
        if not url.lower().startswith(("http://", "https://")):
            raise PageFailed(f"{url!r} is not an address of the web: it has to begin with http:// or https://.")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._fetch(url)
        except TimeoutError as exc:
            raise PageFailed(f"{url} was not there within {TIMEOUT_S:g} s.") from exc
        except ForbiddenAddress as exc:
            raise PageFailed(f"{url} is not on the public internet. {exc}") from exc
        except httpx2.TooManyRedirects as exc:
            raise PageFailed(f"{url} redirects more than {MAX_REDIRECTS} times.") from exc
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as exc:
            raise PageFailed(f"{url} cannot be fetched: {type(exc).__name__}: {exc}") from exc

    async def close(self) -> None:
        """Closes the connections that are kept."""
        await self._http.aclose()

    async def _fetch(self, url: str) -> Page:
        async with self._http.stream("GET", url) as answer:
            if not answer.is_success:
                raise PageFailed(f"{answer.url} answered with status {answer.status_code} {answer.reason_phrase}.")
            media_type = answer.headers.get("content-type", "text/html").partition(";")[0].strip().lower()
            if not _TEXTUAL.match(media_type):
                raise PageFailed(f"{answer.url} is {media_type}, not text.")
            content = await _read(answer)
        # What selects the page within a document was not sent and is no part of its address.
        return Page(str(answer.url.copy_with(fragment=None)), media_type, _decode(content, answer.charset_encoding))


async def _read(answer: httpx2.Response) -> bytes:
    content = bytearray()
    async for chunk in answer.aiter_bytes():
        content += chunk
        if len(content) > MAX_BYTES:
            raise PageFailed(f"{answer.url} is larger than {MAX_BYTES // 1024 // 1024} MiB.")
    return bytes(content)


def _decode(content: bytes, named: str | None) -> str:
    """The text, in the encoding that the answer or the page itself names, else UTF-8."""
    found = _CHARSET.search(content[:_HEAD_BYTES])
    encoding = named or (found.group(1).decode() if found else "utf-8")
    try:
        return content.decode(encoding, "replace")
    except LookupError:
        return content.decode("utf-8", "replace")
