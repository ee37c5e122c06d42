"""web_search, against local servers that answer as the vendors document it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from services.tools.builtin.calls import BuiltinCalls
from services.tools.builtin.clients.search import HttpSearch
from services.tools.builtin.providers.vendors import VENDORS
from services.tools.builtin.search import Account, WebSearch
from tests.tools.builtin.calling import call

EXA = {
    "results": [
        {
            "title": "Turin",
            "url": "https://example.org/turin",
            "publishedDate": "2026-03-09T00:00:00.000Z",
            "author": "Ada",
            "highlights": ["It has 850,000 people."],
            "text": "All of it.",
        }
    ]
}
TAVILY = {
    "results": [{"title": "Turin", "url": "https://example.org/turin", "content": "It has people.", "score": 0.9}]
}
BRAVE = {
    "web": {
        "results": [
            {
                "title": "Turin",
                "url": "https://example.org/turin",
                "description": "It has <strong>people</strong>.",
                "page_age": "2026-03-09T00:00:00",
                "extra_snippets": ["And rivers."],
            }
        ]
    }
}


class Vendors:
    """All three, on one port. `status` other than 200 is what they answer with."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.status = 200
        self.body: Any = None

    def answers(self, answer: Any) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            body = orjson.loads(await request.read() or b"null")
            self.asked.append({"headers": request.headers, "query": dict(request.query), "body": body})
            body = orjson.dumps(answer if self.body is None else self.body)
            return web.Response(body=body, status=self.status, content_type="application/json")

        return handle


@pytest.fixture
async def vendors() -> Vendors:
    return Vendors()


@pytest.fixture
async def accounts(vendors: Vendors) -> AsyncIterator[list[Account]]:
    app = web.Application()
    app.router.add_post("/exa/search", vendors.answers(EXA))
    app.router.add_post("/tavily/search", vendors.answers(TAVILY))
    app.router.add_get("/brave/res/v1/web/search", vendors.answers(BRAVE))
    async with TestServer(app) as server:
        yield [
            replace(vendor.account, base_url=str(server.make_url(f"/{provider}")))
            for provider, vendor in VENDORS.items()
        ]


@pytest.fixture
async def searching(builtins: BuiltinCalls, accounts: list[Account]) -> AsyncIterator[BuiltinCalls]:
    http = HttpSearch()
    yield replace(builtins, web_search=WebSearch(http, accounts))
    await http.close()


async def test_exa_is_asked_for_all_that_it_can(searching: BuiltinCalls, vendors: Vendors) -> None:
    outcome = await call(
        searching,
        "web_search",
        {"EXA_API_KEY": "secret"},
        query="Turin",
        num_results=3,
        category="news",
        include_text=True,
        include_domains=["example.org"],
        start_published_date="2026-01-01",
        end_published_date="2026-06-30T12:00:00",
        user_location="it",
    )

    [asked] = vendors.asked
    assert asked["headers"]["x-api-key"] == "secret"
    assert asked["body"] == {
        "query": "Turin",
        "numResults": 3,
        "category": "news",
        "includeDomains": ["example.org"],
        "startPublishedDate": "2026-01-01",
        "endPublishedDate": "2026-06-30T12:00:00",
        "userLocation": "IT",
        "contents": {"text": True, "highlights": True},
    }
    assert orjson.loads(outcome.value)["results"] == [
        {
            "title": "Turin",
            "url": "https://example.org/turin",
            "published": "2026-03-09T00:00:00.000Z",
            "author": "Ada",
            "excerpts": ["It has 850,000 people."],
            "text": "All of it.",
        }
    ]


async def test_tavily_is_asked_in_its_own_words(searching: BuiltinCalls, vendors: Vendors) -> None:
    arguments = {"query": "Turin", "category": "news", "include_text": True, "start_published_date": "2026-01-01"}
    left_out = {"num_results": None, "include_domains": None, "user_location": None}
    outcome = await call(searching, "web_search", {"TAVILY_API_KEY": "secret"}, **arguments, **left_out)

    [asked] = vendors.asked
    assert asked["headers"]["authorization"] == "Bearer secret"
    assert asked["body"] == {
        "query": "Turin",
        "max_results": 10,
        "topic": "news",
        "start_date": "2026-01-01",
        "include_raw_content": "text",
    }
    assert orjson.loads(outcome.value)["results"][0]["excerpts"] == ["It has people."]


async def test_brave_is_asked_with_operators(searching: BuiltinCalls, vendors: Vendors) -> None:
    outcome = await call(
        searching,
        "web_search",
        {"BRAVE_API_KEY": "secret"},
        query="Turin",
        include_domains=["a.org", "b.org"],
        exclude_domains=["c.org"],
        start_published_date="2026-01-01",
    )

    [asked] = vendors.asked
    assert asked["headers"]["x-subscription-token"] == "secret"
    assert asked["query"]["q"] == "Turin (site:a.org OR site:b.org) -site:c.org"
    assert asked["query"]["freshness"] == "2026-01-01to2100-01-01"
    assert orjson.loads(outcome.value)["results"][0]["excerpts"] == ["It has people.", "And rivers."]


async def test_without_a_key_the_model_is_told_what_is_missing(searching: BuiltinCalls) -> None:
    outcome = await call(searching, "web_search", query="Turin")

    assert outcome.is_error
    assert "Set EXA_API_KEY or TAVILY_API_KEY or BRAVE_API_KEY" in outcome.value


async def test_the_agents_key_goes_before_the_servers(
    builtins: BuiltinCalls, vendors: Vendors, accounts: list[Account]
) -> None:
    http = HttpSearch()
    own = WebSearch(http, [replace(account, key="of the server") for account in accounts])
    searching = replace(builtins, web_search=own)

    await call(searching, "web_search", {"TAVILY_API_KEY": "of the agent"}, query="Turin")
    await call(searching, "web_search", query="Turin")

    assert vendors.asked[0]["headers"]["authorization"] == "Bearer of the agent"
    assert vendors.asked[1]["headers"]["x-api-key"] == "of the server"
    await http.close()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "query: Field required"),
        ({"query": ""}, "query: "),
        ({"query": "x", "num_results": 1000}, "num_results: "),
        ({"query": "x", "category": "cats"}, "category: "),
        ({"query": "x", "include_domains": ["a.org) OR x"]}, "include_domains.0: "),
        ({"query": "x", "start_published_date": "yesterday"}, "start_published_date"),
    ],
)
async def test_wrong_arguments_are_named(searching: BuiltinCalls, arguments: dict[str, Any], told: str) -> None:
    outcome = await call(searching, "web_search", {"EXA_API_KEY": "secret"}, **arguments)

    assert outcome.is_error
    assert told in outcome.value


@pytest.mark.parametrize(
    ("status", "told"), [(401, "refuses the key"), (429, "limits the rate"), (500, "answered with status 500")]
)
async def test_a_refusal_of_the_vendor_is_told(
    searching: BuiltinCalls, vendors: Vendors, status: int, told: str
) -> None:
    vendors.status = status

    outcome = await call(searching, "web_search", {"EXA_API_KEY": "secret"}, query="Turin")

    assert outcome.is_error
    assert f"exa {told}" in outcome.value
    assert "secret" not in outcome.value


@pytest.mark.parametrize("body", [[], {"results": None}, {"results": [{"title": "no address"}]}, "text"])
async def test_an_answer_that_makes_no_sense_is_told(searching: BuiltinCalls, vendors: Vendors, body: Any) -> None:
    vendors.body = body

    outcome = await call(searching, "web_search", {"EXA_API_KEY": "secret"}, query="Turin")

    assert outcome.is_error
    assert "cannot be read" in outcome.value


async def test_a_vendor_that_is_away_is_told(builtins: BuiltinCalls) -> None:
    http = HttpSearch()
    away = replace(VENDORS["exa"].account, base_url="http://127.0.0.1:9")

    outcome = await call(
        replace(builtins, web_search=WebSearch(http, [away])), "web_search", {"EXA_API_KEY": "x"}, query="Turin"
    )

    assert outcome.is_error
    assert "exa cannot be reached: ConnectError." in outcome.value
    await http.close()
