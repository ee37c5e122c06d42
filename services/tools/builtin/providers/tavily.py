"""Tavily (https://docs.tavily.com/documentation/api-reference/endpoint/search)."""

from datetime import date

import httpx2

from services.tools.builtin.providers.vendor import Answer, Vendor, without_none
from services.tools.builtin.search import Account, Category, Found, Search

_TOPICS: dict[Category, str] = {"news": "news", "financial report": "finance"}  # it knows no other kinds of pages


def _request(account: Account, wanted: Search) -> httpx2.Request:
    body = {
        "query": wanted.query,
        "max_results": wanted.num_results,
        "topic": _TOPICS.get(wanted.category) if wanted.category else None,
        "include_domains": wanted.include_domains or None,
        "exclude_domains": wanted.exclude_domains or None,
        "start_date": _day(wanted.start_published_date),
        "end_date": _day(wanted.end_published_date),
        "include_raw_content": "text" if wanted.include_text else None,
    }
    headers = {"authorization": f"Bearer {account.key}"}
    return httpx2.Request("POST", f"{account.base_url}/search", headers=headers, json=without_none(body))


def _day(moment: date | None) -> str | None:
    return moment.strftime("%Y-%m-%d") if moment else None


def _read(answer: Answer) -> list[Found]:
    return [
        Found(
            title=page.get("title") or "",
            url=page["url"],
            published=page.get("published_date"),
            excerpts=[page["content"]] if page.get("content") else [],
            text=page.get("raw_content") or None,
        )
        for page in answer["results"]
    ]


TAVILY = Vendor(Account("tavily", "TAVILY_API_KEY", "https://api.tavily.com"), _request, _read)
