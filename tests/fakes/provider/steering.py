"""How each request is to be answered: server-wide defaults, scripted faults and the message's own directive."""

import asyncio
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field, replace
from typing import Literal

from tests.fakes.provider.answer import is_summary_request
from tests.fakes.provider.directive import Directive, find_directives, parse_directive
from tests.fakes.provider.prompt import Prompt

Api = Literal["completions", "embeddings"]


@dataclass
class Steering:
    """Settings of the whole server; `delays` gives messages that contain a text a time to first token, in ms."""

    ttft_ms: float = 0.0
    inter_token_ms: float = 0.0
    delays: dict[str, float] = field(default_factory=dict)
    _scripts: dict[Api, deque[Directive]] = field(
        default_factory=lambda: {"completions": deque(), "embeddings": deque()}
    )
    _used: Counter[str] = field(default_factory=Counter)
    _gates: defaultdict[str, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))

    def gate(self, name: str) -> asyncio.Event:
        """What holds answers under a name until it is set."""
        return self._gates[name]

    def script(self, directive: str, times: int = 1, *, api: Api = "completions") -> None:
        """Applies a directive to the next requests, whatever they say; `times=0` drops what is left."""
        if times == 0:
            self._scripts[api].clear()
        self._scripts[api].extend([parse_directive(directive)] * times)

    def direct_embedding(self) -> Directive:
        """The directive for a request that has no messages: only the script counts."""
        script = self._scripts["embeddings"]
        return script.popleft() if script else Directive()

    def direct(self, prompt: Prompt) -> Directive:
        """The directive for one request; the message's own comes before the script, and that before the defaults."""
        result = Directive(ttft_ms=self.ttft_ms, inter_token_ms=self.inter_token_ms)
        text = "" if is_summary_request(prompt) else prompt.user_text
        for part, delay_ms in self.delays.items():
            if part in text:
                result = replace(result, ttft_ms=delay_ms)
        if self._scripts["completions"]:
            result = self._scripts["completions"].popleft().over(result)
        for source, directive in find_directives(text):
            if self._applies(source, directive, prompt):
                result = directive.over(result)
        return result

    def _applies(self, source: str, directive: Directive, prompt: Prompt) -> bool:
        if directive.on_step is not None and directive.on_step != prompt.step + 1:
            return False
        self._used[source] += 1
        return directive.times is None or self._used[source] <= directive.times
