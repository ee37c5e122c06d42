"""The way from a handle to an answer."""

from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace

from perdure.conversation.v1.message_pb2 import Message
from perdure.conversation.v1.model_pb2 import ModelSettings, ToolDefinition
from services.llm_router.batching import Pace, batch_events
from services.llm_router.catalog import Catalog
from services.llm_router.completion import Event, Vector
from services.llm_router.deadlines import Deadlines, bound_time
from services.llm_router.errors import ImagesRefused, ModelFailure, RequestRefused, SchemasRefused, ThoughtsRefused
from services.llm_router.model import EmbeddingModel, Model
from services.llm_router.prompt import Prompt, tidy_messages
from services.llm_router.provider import Provider
from services.llm_router.retries import RetryPolicy, retry, retry_call


@dataclass(frozen=True)
class Question:
    """What a caller wants from a model."""

    messages: Iterable[Message]
    tools: Sequence[ToolDefinition]
    settings: ModelSettings
    tool_choice: str = "auto"
    cache_key: str = ""


class Router:
    """Calls models, with deadlines, retries and a bound on calls under way."""

    def __init__(self, catalog: Catalog, deadlines: Deadlines, retries: RetryPolicy) -> None:
        self._catalog = catalog
        self._deadlines = deadlines
        self._retries = retries
        self._pace = Pace()

    async def complete(self, model: Model, question: Question) -> AsyncGenerator[Sequence[Event], None]:
        """Asks a model; the last event is a `Completion`. Raises `ModelFailure`."""
        provider = self._catalog.provider_of(model)
        prompt = Prompt(
            model=model,
            messages=tidy_messages(question.messages),
            tools=question.tools,
            settings=question.settings,
            tool_choice=question.tool_choice or "auto",
            cache_key=question.cache_key,
        )
        async with aclosing(batch_events(self._ask(provider, prompt), self._pace)) as batches:
            async for events in batches:
                yield events

    async def _ask(self, provider: Provider, prompt: Prompt) -> AsyncGenerator[Sequence[Event], None]:
        """Asks with all there is, and without what the provider refuses and the model can do without."""
        try:
            async with aclosing(self._call(provider, prompt)) as batches:
                async for events in batches:
                    yield events
        except RequestRefused as refusal:
            accepted = _lighten(prompt, refusal)
            if accepted is None:
                raise
        else:
            return
        async with aclosing(self._ask(provider, accepted)) as batches:
            async for events in batches:
                yield events

    async def _call(self, provider: Provider, prompt: Prompt) -> AsyncGenerator[Sequence[Event], None]:
        def call() -> AsyncGenerator[Sequence[Event], None]:
            return bound_time(provider.adapter.complete(prompt), self._deadlines)

        with _named(provider, prompt.model.name):
            async with provider.slot(), aclosing(retry(call, self._retries)) as batches:
                async for events in batches:
                    yield events

    async def embed(self, model: EmbeddingModel, texts: Sequence[str]) -> tuple[list[Vector], int]:
        """One vector for each text, and the tokens used. Raises `ModelFailure`."""
        provider = self._catalog.provider_of(model)
        vectors: list[Vector] = []
        tokens = 0
        for start in range(0, len(texts), model.batch_size):
            batch = texts[start : start + model.batch_size]
            with _named(provider, model.name):
                found, used = await self._embed(provider, model, batch)
            vectors += found
            tokens += used
        return vectors, tokens

    async def _embed(self, provider: Provider, model: EmbeddingModel, texts: Sequence[str]) -> tuple[list[Vector], int]:
        async with provider.slot():
            return await retry_call(lambda: provider.adapter.embed(model, texts), self._retries)


def _lighten(prompt: Prompt, refusal: RequestRefused) -> Prompt | None:
    """The prompt without what was refused; None when it has nothing of that."""
    match refusal:
        case ThoughtsRefused() if prompt.recalls:
            return replace(prompt, recalls=False)
        case ImagesRefused() if prompt.shows_images:
            return prompt.without_images()
        case SchemasRefused() if prompt.settings.strict:
            return prompt.without_strictness()
    return None


@contextmanager
def _named(provider: Provider, model: str) -> Iterator[None]:
    """Writes into failures whose they are."""
    try:
        yield
    except ModelFailure as failure:
        failure.metadata |= {"provider": provider.name, "model": model}
        raise
