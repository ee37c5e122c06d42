"""Searching the web."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, Field

from services.common.call_arguments import CallArguments
from services.common.errors import Unavailable

DEFAULT_RESULTS = 10
MAX_RESULTS = 20  # the most that every one of the providers gives

Category = Literal[
    "company",
    "research paper",
    "news",
    "pdf",
    "github",
    "tweet",
    "personal site",
    "linkedin profile",
    "financial report",
]
Domain = Annotated[str, Field(pattern=r"^[\w-]+(\.[\w-]+)+$")]


class Search(CallArguments):
    """What is looked for."""

    query: Annotated[str, Field(min_length=1)]
    num_results: Annotated[int, Field(ge=1, le=MAX_RESULTS)] = DEFAULT_RESULTS
    category: Category | None = None
    include_text: bool = False
    include_domains: list[Domain] | None = None
    exclude_domains: list[Domain] | None = None
    start_published_date: date | datetime | None = None
    end_published_date: date | datetime | None = None
    user_location: Annotated[str, Field(pattern="^[A-Za-z]{2}$")] | None = None


class Found(BaseModel):
    """A page that fits. `text` is the whole page, `excerpts` what of it answers the question."""

    title: str
    url: str
    published: str | None = None
    author: str | None = None
    excerpts: list[str] = []
    text: str | None = None


class SearchFailed(Unavailable):
    """The provider cannot be asked, or gives no answer; the message says why."""

    reason = "WEB_SEARCH_FAILED"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, should_retry=False)


@dataclass(frozen=True)
class Account:
    """How a provider is reached: the variable that holds its key, and where it listens."""

    provider: str
    key_name: str
    base_url: str
    key: str = ""


class Provider(Protocol):
    """Who searches."""

    async def search(self, account: Account, wanted: Search) -> list[Found]:
        """The pages that fit, the best first. Raises `SearchFailed`."""


class WebSearch:
    """Asks the first provider for which there is a key: among the agent's variables, else the server's."""

    def __init__(self, provider: Provider, accounts: Sequence[Account]) -> None:
        self._provider = provider
        self._accounts = accounts

    async def search(self, wanted: Search, variables: Mapping[str, str]) -> list[Found]:
        """The pages that fit, the best first. Raises `SearchFailed`."""
        return await self._provider.search(self._choose(variables), wanted)

    def _choose(self, variables: Mapping[str, str]) -> Account:
        for account in self._accounts:
            if key := variables.get(account.key_name):
                return Account(account.provider, account.key_name, account.base_url, key)
        if with_key := next((account for account in self._accounts if account.key), None):
            return with_key
        names = " or ".join(account.key_name for account in self._accounts)
        raise SearchFailed(f"No search provider is set up. Set {names} in the agent's tool variables or on the server.")
