"""fetch_webpage, against a local server; and what it must not reach."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from services.tools.builtin.calls import BuiltinCalls
from services.tools.builtin.clients import pages
from services.tools.builtin.clients.pages import HttpPages
from services.tools.builtin.page import Page, read_page
from tests.tools.builtin.calling import call

ARTICLE = """<!doctype html><html><head><title>Turin &amp; Rome</title><style>p {}</style></head><body>
<nav><a href="/home">Home</a></nav><h1>Two  cities</h1>
<p>Turin is <b>north</b> of <a href="/rome">Rome</a>.</p>
<ul><li>Po</li><li>Tiber</li></ul><table><tr><th>City</th><th>People</th></tr><tr><td>Turin</td><td>850</td></tr></table>
<script>alert("no")</script></body></html>"""


async def article(request: web.Request) -> web.Response:
    return web.Response(text=ARTICLE, content_type="text/html")


async def redirect(request: web.Request) -> web.Response:
    raise web.HTTPFound(request.query["to"])


async def data(request: web.Request) -> web.Response:
    return web.json_response({"city": "Turin"})


async def picture(request: web.Request) -> web.Response:
    return web.Response(body=b"\x89PNG", content_type="image/png")


async def endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"content-type": "text/plain"})
    await answer.prepare(request)
    try:
        while True:
            await answer.write(b"x" * 65_536)
    except ConnectionError:
        return answer


async def silent(request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError


async def latin(request: web.Request) -> web.Response:
    body = '<html><head><meta charset="iso-8859-1"></head><body>Perché</body></html>'.encode("iso-8859-1")
    return web.Response(body=body, headers={"content-type": "text/html"})


@pytest.fixture
async def site() -> AsyncIterator[str]:
    app = web.Application()
    for handler in (article, redirect, data, picture, endless, silent, latin):
        app.router.add_get(f"/{handler.__name__}", handler)
    async with TestServer(app) as server:
        yield str(server.make_url("/")).rstrip("/")


@pytest.fixture
async def local(builtins: BuiltinCalls) -> AsyncIterator[BuiltinCalls]:
    """May fetch from this machine."""
    http = HttpPages(allow_private=True)
    yield replace(builtins, web=http)
    await http.close()


async def test_a_page_is_its_text_with_headings_links_and_lists(local: BuiltinCalls, site: str) -> None:
    outcome = await call(local, "fetch_webpage", url=f"{site}/article#top")

    assert not outcome.is_error
    assert outcome.value.splitlines() == [
        "# Turin & Rome",
        "",
        f"{site}/article",
        "",
        "# Two cities",
        f"Turin is north of Rome ({site}/rome).",
        "- Po",
        "- Tiber",
        "City | People |",
        "Turin | 850 |",
    ]


async def test_redirects_are_followed(local: BuiltinCalls, site: str) -> None:
    outcome = await call(local, "fetch_webpage", url=f"{site}/redirect?to={site}/article")

    assert f"{site}/article" in outcome.value


async def test_other_text_is_given_as_it_is(local: BuiltinCalls, site: str) -> None:
    outcome = await call(local, "fetch_webpage", url=f"{site}/data")

    assert outcome.value == f'{site}/data\n\n{{"city": "Turin"}}'


async def test_the_page_says_its_encoding(local: BuiltinCalls, site: str) -> None:
    outcome = await call(local, "fetch_webpage", url=f"{site}/latin")

    assert "Perché" in outcome.value


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/missing", "answered with status 404 Not Found"),
        ("/picture", "is image/png, not text"),
        ("/endless", "is larger than 5 MiB"),
        ("/redirect?to=/redirect?to=/", "answered with status"),
        ("/redirect?to=ftp://example.org/", "cannot be fetched: UnsupportedProtocol"),
    ],
)
async def test_what_cannot_be_read_is_told(local: BuiltinCalls, site: str, path: str, told: str) -> None:
    outcome = await call(local, "fetch_webpage", url=site + path)

    assert outcome.is_error
    assert told in outcome.value


async def test_a_page_that_does_not_come_is_given_up(
    local: BuiltinCalls, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "TIMEOUT_S", 0.2)

    outcome = await call(local, "fetch_webpage", url=f"{site}/silent")

    assert outcome.is_error
    assert "was not there within 0.2 s" in outcome.value


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("example.org", "has to begin with http"),
        ("file:///etc/passwd", "has to begin with http"),
        ("http://", "cannot be fetched"),
        ("http://[", "cannot be fetched"),
        ("http://nowhere.invalid/", "cannot be fetched"),
    ],
)
async def test_an_address_that_is_none_is_told(builtins: BuiltinCalls, url: str, told: str) -> None:
    outcome = await call(builtins, "fetch_webpage", url=url)

    assert outcome.is_error
    assert told in outcome.value


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "10.0.0.1", "169.254.169.254", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"],
)
async def test_no_private_address_is_fetched(builtins: BuiltinCalls, host: str) -> None:
    outcome = await call(builtins, "fetch_webpage", url=f"http://{host}:8283/v1/agents/")

    assert outcome.is_error
    assert "is not on the public internet" in outcome.value


async def test_html_that_nests_without_end_is_read() -> None:
    page = Page("http://example.org", "text/html", "<div>" * 50_000 + "deep")

    assert "deep" in read_page(page)
