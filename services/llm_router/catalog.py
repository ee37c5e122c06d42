"""The models that can be asked: what the providers list, and what is known of them besides."""

import asyncio
import logging
import re
from collections.abc import Iterable
from dataclasses import replace

from services.llm_router.errors import MalformedHandle, ModelFailure, ModelNotFound
from services.llm_router.known_models import EMBEDDING_DIMENSIONS, KnownModel, find_known, is_known
from services.llm_router.model import EmbeddingModel, ListedModel, Model
from services.llm_router.provider import Provider

log = logging.getLogger(__name__)

REFRESH_S = 600.0  # seconds between two looks at the providers' lists
RETRY_S = 15.0  # seconds until a list that could not be had is asked for again
LIST_TIMEOUT_S = 10.0  # seconds for one list
FIRST_LIST_WAIT_S = 3.0  # seconds that a caller waits for a list which is being fetched for the first time
DEFAULT_OUTPUT_TOKENS = 16_384  # tokens of an answer when the agent sets no bound
_GEMINI_OUTPUT_TOKENS = 65_536  # Gemini's thoughts count as output: a smaller bound may leave nothing for the answer
_CLOSED_WINDOW = 128_000  # tokens; the smallest of the large vendors' current models
_OPEN_WINDOW = 32_768  # tokens; what servers of one's own commonly start with
MAX_NAME_CHARS = 200
_LEADS_AWAY = re.compile(r"[\s?#%\\]|(^|/)\.{1,2}(/|$)")  # names become part of providers' addresses
_SEES = re.compile(r"vision|llava|pixtral|[-.:](vl|4v)\b", re.IGNORECASE)  # how models that see are named

Listing = dict[str, ListedModel]


class Catalog:
    """Finds models by handle. Lists are fetched in the background; a provider that fails only lacks its list."""

    def __init__(self, providers: Iterable[Provider]) -> None:
        self._providers = {provider.name: provider for provider in providers}
        self._listings: dict[str, Listing] = {}
        self._tried = {name: asyncio.Event() for name in self._providers}
        self._confirmed: set[str] = set()
        self._dimensions: dict[str, int] = {}

    async def keep_fresh(self) -> None:
        """Fetches the lists now and from time to time, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for provider in self._providers.values():
                group.create_task(self._keep_fresh(provider))

    async def _keep_fresh(self, provider: Provider) -> None:
        while True:
            try:
                async with asyncio.timeout(LIST_TIMEOUT_S):
                    models = await provider.adapter.list_models()
                self._listings[provider.name] = {model.name: model for model in models}
                wait_s = REFRESH_S
            except Exception as exc:  # noqa: BLE001  # whatever one list is like, the others are kept fresh
                log.warning("cannot list the models of %s: %r", provider.name, exc)
                wait_s = RETRY_S
            self._tried[provider.name].set()
            await asyncio.sleep(wait_s)

    def provider_of(self, model: Model | EmbeddingModel) -> Provider:
        """The provider of a model that this catalog resolved."""
        return self._providers[model.provider_name]

    async def resolve(self, handle: str) -> Model:
        """The language model that a handle means.

        A closed provider must list the model, or the table know it, or the provider confirm it; until its list has
        been had, and for an open provider, the handle is trusted. Raises `MalformedHandle`, `ModelNotFound`.
        """
        provider, name = self._split(handle)
        listing = await self._listing(provider)
        listed = (listing or {}).get(name)
        if listed is None and listing and provider.is_closed and not is_known(provider.name, name):
            await self._confirm(provider, handle, name)
        return _describe(provider, name, listed)

    async def resolve_embedding(self, handle: str) -> EmbeddingModel:
        """The embedding model that a handle means. Raises `MalformedHandle`, `ModelNotFound`."""
        provider, name = self._split(handle)
        listed = (await self._listing(provider) or {}).get(name)
        model = _describe_embedding(provider, name, listed)
        if model.dimensions:
            return model
        if handle not in self._dimensions:
            self._dimensions[handle] = await self._measure(provider, model)
        return replace(model, dimensions=self._dimensions[handle])

    async def models(self) -> list[Model]:
        """The language models that the providers list."""
        return [
            _describe(provider, name, listed)
            for provider in self._providers.values()
            for name, listed in (await self._listing(provider) or {}).items()
            if not listed.embeds
        ]

    async def embedding_models(self) -> list[EmbeddingModel]:
        """The embedding models that the providers list and whose dimensions are known."""
        found = [
            _describe_embedding(provider, name, listed)
            for provider in self._providers.values()
            for name, listed in (await self._listing(provider) or {}).items()
            if listed.embeds
        ]
        return [model for model in found if model.dimensions]

    def _split(self, handle: str) -> tuple[Provider, str]:
        provider_name, _, name = handle.partition("/")
        if not provider_name or not 0 < len(name) <= MAX_NAME_CHARS or _LEADS_AWAY.search(name):
            raise MalformedHandle(handle)
        provider = self._providers.get(provider_name)
        if provider is None:
            raise ModelNotFound(handle, [f"{known}/…" for known in self._providers])
        return provider, name

    async def _listing(self, provider: Provider) -> Listing | None:
        """The provider's list, waiting a little for the first; None when it could not be had."""
        try:
            async with asyncio.timeout(FIRST_LIST_WAIT_S):
                await self._tried[provider.name].wait()
        except TimeoutError:
            return None
        return self._listings.get(provider.name)

    async def _measure(self, provider: Provider, model: EmbeddingModel) -> int:
        """The length of a vector of the model, from an example."""
        try:
            async with asyncio.timeout(LIST_TIMEOUT_S):
                vectors, _ = await provider.adapter.embed(model, ["one"])
        except (ModelFailure, TimeoutError) as exc:
            raise ModelNotFound(model.handle, [known.handle for known in await self.embedding_models()]) from exc
        return len(vectors[0])

    async def _confirm(self, provider: Provider, handle: str, name: str) -> None:
        if handle in self._confirmed:
            return
        try:
            async with asyncio.timeout(LIST_TIMEOUT_S):
                exists = await provider.adapter.has_model(name)
        except (ModelFailure, TimeoutError):
            return  # it cannot be asked just now: the handle gets the benefit of the doubt
        if not exists:
            raise ModelNotFound(handle, [model.handle for model in await self.models()])
        self._confirmed.add(handle)


def _describe(provider: Provider, name: str, listed: ListedModel | None) -> Model:
    listed = listed or ListedModel(name)
    window = _CLOSED_WINDOW if provider.is_closed else _OPEN_WINDOW
    default = KnownModel(name, window, 0, vision=provider.is_closed or _SEES.search(name) is not None)
    known = find_known(provider.name, name) or default
    limit = listed.output_limit or known.output_limit
    bound = _GEMINI_OUTPUT_TOKENS if provider.type == "google_ai" else DEFAULT_OUTPUT_TOKENS
    return Model(
        handle=f"{provider.name}/{name}",
        name=name,
        provider_name=provider.name,
        provider_type=provider.type,
        endpoint=provider.endpoint,
        context_window=listed.context_window or known.context_window,
        max_output_tokens=min(limit or bound, bound),
        output_limit=limit,
        reasoning=_first(listed.reasoning, known.reasoning),
        vision=_first(listed.vision, known.vision),
        chooses_thinking=_first(listed.chooses_thinking, known.chooses_thinking),
    )


def _first(said: bool | None, known: bool) -> bool:
    return known if said is None else said


def _describe_embedding(provider: Provider, name: str, listed: ListedModel | None) -> EmbeddingModel:
    dimensions = (listed.dimensions if listed else 0) or EMBEDDING_DIMENSIONS.get(name.removesuffix(":latest"), 0)
    return EmbeddingModel(
        handle=f"{provider.name}/{name}",
        name=name,
        provider_name=provider.name,
        provider_type=provider.type,
        endpoint=provider.endpoint,
        dimensions=dimensions,
    )
