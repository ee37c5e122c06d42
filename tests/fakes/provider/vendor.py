"""What every vendor and every completion API of a vendor has to supply."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from tests.fakes.provider.answer import Answer
from tests.fakes.provider.prompt import Body, Prompt
from tests.fakes.provider.refusal import Refusal
from tests.fakes.provider.tokens import PromptCache, Usage


@dataclass(frozen=True)
class Frame:
    """A piece of a streamed answer; a token is what the pace is counted in."""

    data: bytes
    is_token: bool = False


@dataclass(frozen=True)
class Completion:
    """A request with its answer, ready to be printed."""

    body: Body
    prompt: Prompt
    answer: Answer
    usage: Usage


class Vendor(Protocol):
    """The manners that all APIs of a vendor share."""

    @property
    def name(self) -> str:
        """The first part of the vendor's paths."""

    def api_key(self, request: web.Request) -> str | None:
        """The key sent with a request."""

    def refuse_key(self, key: str | None) -> Refusal:
        """The refusal of a request with a wrong key or none."""

    def ordinary_refusal(self, status: int) -> Refusal:
        """The vendor's usual error of a status."""

    def print_refusal(self, refusal: Refusal) -> Body:
        """The body of an error."""


class Dialect(Protocol):
    """A completion API of a vendor."""

    @property
    def vendor(self) -> Vendor:
        """The vendor whose manners apply."""

    def read(self, request: web.Request, body: Body) -> Prompt:
        """The prompt in a request; refuses what the vendor would refuse."""

    def wants_stream(self, request: web.Request, body: Body) -> bool:
        """Whether the answer is to be streamed."""

    def overflow(self, prompt: Prompt, tokens: int, window: int) -> Refusal:
        """The refusal of a prompt that is larger than the model's window."""

    def count(self, body: Body, prompt: Prompt, answer: Answer, cache: PromptCache) -> Usage:
        """The usage to report."""

    def whole(self, completion: Completion) -> Body:
        """The answer in one piece."""

    def frames(self, completion: Completion) -> Iterable[Frame]:
        """The answer as a stream of server-sent events."""

    def error_frame(self, refusal: Refusal) -> Frame:
        """How the vendor reports an error in the middle of a stream."""
