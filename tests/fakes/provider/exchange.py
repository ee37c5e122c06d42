"""One completion, from the request to the last byte of the answer; the same for every vendor."""

from dataclasses import dataclass

from aiohttp import web

from tests.fakes.provider.answer import answer_to
from tests.fakes.provider.catalog import context_window
from tests.fakes.provider.delivery import Pace, fail, send_stream, send_whole
from tests.fakes.provider.directive import Directive
from tests.fakes.provider.prompt import Body, Prompt
from tests.fakes.provider.request_body import read_body
from tests.fakes.provider.steering import Steering
from tests.fakes.provider.tokens import PromptCache, count_tokens
from tests.fakes.provider.traffic import Received
from tests.fakes.provider.vendor import Completion, Dialect

RECEIVED = web.RequestKey("received", Received)


@dataclass(frozen=True)
class Exchange:
    """Answers the completion requests of one API."""

    dialect: Dialect
    steering: Steering
    cache: PromptCache

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answers one request; raises Refusal for what the vendor refuses."""
        body = await read_body(request)
        prompt = self.dialect.read(request, body)
        directive = self.steering.direct(prompt)
        pace = Pace(directive, self.steering.gate(directive.hold) if directive.hold else None)
        self._check_window(prompt)
        await pace.wait_first()
        failure = fail(request, directive, self.dialect.vendor)
        return failure or await self._send(request, body, prompt, pace=pace, directive=directive)

    async def _send(
        self, request: web.Request, body: Body, prompt: Prompt, *, pace: Pace, directive: Directive
    ) -> web.StreamResponse:
        answer = answer_to(prompt, directive)
        completion = Completion(body, prompt, answer, self.dialect.count(body, prompt, answer, self.cache))
        if not self.dialect.wants_stream(request, body):
            await pace.wait_next(max(0, answer.tokens - 1))
            return await send_whole(request, self.dialect.whole(completion), directive)
        frames = self.dialect.frames(completion)
        error = self.dialect.error_frame(self.dialect.vendor.ordinary_refusal(500))
        return await send_stream(request, frames, pace, directive, received=request[RECEIVED], error=error)

    def _check_window(self, prompt: Prompt) -> None:
        tokens = sum(count_tokens(segment) for segment in prompt.segments)
        window = context_window(prompt.model)
        if tokens > window:
            raise self.dialect.overflow(prompt, tokens, window)
