"""Exa (https://docs.exa.ai/reference/search)."""

import httpx2

from services.tools.builtin.providers.vendor import Answer, Vendor, without_none
from services.tools.builtin.search import Account, Found, Search


def _request(account: Account, wanted: Search) -> httpx2.Request:
    body = {
        "query": wanted.query,
        "numResults": wanted.num_results,
        "category": wanted.category,
        "includeDomains": wanted.include_domains or None,
        "excludeDomains": wanted.exclude_domains or None,
        "startPublishedDate": wanted.start_published_date and wanted.start_published_date.isoformat(),
        "endPublishedDate": wanted.end_published_date and wanted.end_published_date.isoformat(),
        "userLocation": wanted.user_location and wanted.user_location.upper(),
        "contents": {"text": wanted.include_text, "highlights": True},
    }
    headers = {"x-api-key": account.key}
    return httpx2.Request("POST", f"{account.base_url}/search", headers=headers, json=without_none(body))


def _read(answer: Answer) -> list[Found]:
    return [
        Found(
            title=page.get("title") or "",
            url=page["url"],
            published=page.get("publishedDate"),
            author=page.get("author") or None,
            excerpts=page.get("highlights") or [],
            text=page.get("text") or None,
        )
        for page in answer["results"]
    ]


EXA = Vendor(Account("exa", "EXA_API_KEY", "https://api.exa.ai"), _request, _read)
