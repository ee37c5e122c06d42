"""Calls of the tools that come with the server and run in this service."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from services.common.errors import InvalidArgument
from services.common.validation import tell_problems
from services.tools.base_tools import SEND_MESSAGE
from services.tools.builtin.code import CodeRunner, Program
from services.tools.builtin.page import PageFailed, Web, read_page
from services.tools.builtin.search import Search, SearchFailed, WebSearch
from services.tools.jobs import read_arguments
from services.tools.outcome import Outcome, cut, failure
from services.tools.sandbox.job import Printed
from services.tools.stored_tool import StoredTool

CODE_PARTS = 3  # result, stdout and stderr of a program share the room that a return has


class RunsElsewhere(InvalidArgument):
    """Another service runs the tool."""

    reason = "TOOL_RUNS_ELSEWHERE"


class Address(BaseModel):
    """Of a web page."""

    url: str


Arguments = TypeVar("Arguments", bound=BaseModel)


@dataclass(frozen=True)
class BuiltinCalls:
    """Whatever goes wrong is the call's outcome: the model can go on without it."""

    web_search: WebSearch
    web: Web
    code: CodeRunner

    async def call(
        self, stored: StoredTool, arguments: str, variables: Mapping[str, str]
    ) -> AsyncGenerator[Printed | Outcome, None]:
        """What the tool prints while it runs, and last its outcome. Raises `RunsElsewhere`."""
        limit = stored.tool.return_char_limit
        try:
            if stored.name == "run_code":
                program = _read(Program, arguments)
                async with aclosing(self.code.run(program, limit // CODE_PARTS)) as events:
                    async for event in events:
                        yield event
                return
            value = await self._answer(stored.name, arguments, variables)
        except (ValueError, SearchFailed, PageFailed) as problem:
            yield Outcome(failure(stored.name, str(problem)), is_error=True)
        else:
            yield Outcome(cut(value[:limit], len(value)))

    async def _answer(self, name: str, arguments: str, variables: Mapping[str, str]) -> str:
        if name == SEND_MESSAGE:
            return "The message was sent."
        if name == "web_search":
            found = await self.web_search.search(_read(Search, arguments), variables)
            pages = [page.model_dump(exclude_none=True) for page in found]
            return orjson.dumps({"results": pages}, option=orjson.OPT_INDENT_2).decode()
        if name == "fetch_webpage":
            page = await self.web.fetch(_read(Address, arguments).url)
            return await asyncio.to_thread(read_page, page)
        raise RunsElsewhere(f"{name} works on an agent and runs only within a turn of that agent.")


def _read(form: type[Arguments], text: str) -> Arguments:
    """The arguments as a model wrote them. Raises ValueError, which names what is wrong."""
    try:
        return form.model_validate(read_arguments(text))
    except ValidationError as exc:
        raise ValueError(f"the arguments are wrong: {'; '.join(tell_problems(exc))}") from exc
