"""Brave Search (https://api-dashboard.search.brave.com/app/documentation/web-search). It gives no whole pages."""

import re
from datetime import date

import httpx2

from services.tools.builtin.providers.vendor import Answer, Vendor, without_none
from services.tools.builtin.search import Account, Found, Search

_EARLIEST, _LATEST = date(1990, 1, 1), date(2100, 1, 1)  # stand for an end that is left open
_TAG = re.compile(r"</?strong>")  # marks the words that were looked for


def _request(account: Account, wanted: Search) -> httpx2.Request:
    query = {
        "q": _question(wanted),
        "count": wanted.num_results,
        "freshness": _freshness(wanted),
        "country": wanted.user_location and wanted.user_location.upper(),
        "extra_snippets": "true",
    }
    headers = {"x-subscription-token": account.key, "accept": "application/json"}
    url = f"{account.base_url}/res/v1/web/search"
    return httpx2.Request("GET", url, headers=headers, params=without_none(query))


def _question(wanted: Search) -> str:
    """The query with operators for what Brave has no parameters for."""
    sites = " OR ".join(f"site:{domain}" for domain in wanted.include_domains or ())
    others = [f"-site:{domain}" for domain in wanted.exclude_domains or ()]
    file_type = "filetype:pdf" if wanted.category == "pdf" else ""
    return " ".join(filter(None, [wanted.query, f"({sites})" if sites else "", *others, file_type]))


def _freshness(wanted: Search) -> str | None:
    first, last = wanted.start_published_date, wanted.end_published_date
    return f"{first or _EARLIEST:%Y-%m-%d}to{last or _LATEST:%Y-%m-%d}" if first or last else None


def _read(answer: Answer) -> list[Found]:
    pages = (answer.get("web") or {}).get("results") or []
    return [
        Found(
            title=page.get("title") or "",
            url=page["url"],
            published=page.get("page_age"),
            excerpts=[
                _TAG.sub("", text) for text in (page.get("description"), *page.get("extra_snippets", ())) if text
            ],
        )
        for page in pages
    ]


BRAVE = Vendor(Account("brave", "BRAVE_API_KEY", "https://api.search.brave.com"), _request, _read)
