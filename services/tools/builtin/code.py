"""Running programs that agents write."""

import inspect
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal, Protocol

import orjson
from pydantic import BaseModel

from services.tools.builtin import inside_python
from services.tools.outcome import Outcome, cut
from services.tools.sandbox.job import Event, Failed, Job, Printed, Returned

_PYTHON = inspect.getsource(inside_python)
_NODE_END = "\nexport function run_code() { return ''; }\n"  # the program runs as the module is loaded


class Program(BaseModel):
    """A program, and what it is written in."""

    code: str
    language: Literal["python", "js", "ts", "r", "java"]


class Sandbox(Protocol):
    """Where programs run."""

    def run(self, job: Job) -> AsyncGenerator[Event, None]:
        """What the job prints, and last how it ended."""


@dataclass(frozen=True)
class Allowance:
    """What programs may use: packages as `Job.packages` has them, and the internet."""

    packages: tuple[str, ...] = ()
    network: bool = False


class CodeRunner:
    """Runs each program in a sandbox of its own."""

    def __init__(self, sandbox: Sandbox, allowance: Allowance) -> None:
        self._sandbox = sandbox
        self._allowance = allowance

    async def run(self, program: Program, limit: int) -> AsyncGenerator[Printed | Outcome, None]:
        """What the program prints, and last its outcome: JSON of `{result | error, stdout, stderr}`.

        `limit`: the most characters of each of the three. Leaving the loop ends the program.
        """
        if program.language in ("r", "java"):
            error = f"This server does not run {program.language}. Write it in python, js or ts."
            yield Outcome(_print({"error": error}), is_error=True)
            return
        printed: dict[str, str] = {"stdout": "", "stderr": ""}
        async with aclosing(self._sandbox.run(self._job(program, limit))) as events:
            async for event in events:
                if isinstance(event, Printed):
                    printed[event.stream] += event.text
                    yield event
                else:
                    yield _outcome(event, limit, **printed)

    def _job(self, program: Program, limit: int) -> Job:
        if program.language == "python":
            return Job(
                source=_PYTHON,
                arguments={"code": program.code},
                return_char_limit=limit,
                packages=self._allowance.packages,
                network=self._allowance.network,
            )
        return Job(
            source=program.code + _NODE_END,
            arguments={},
            function="run_code",
            return_char_limit=limit,
            language="typescript",
            network=self._allowance.network,
        )


def _outcome(ended: Returned | Failed, limit: int, *, stdout: str, stderr: str) -> Outcome:
    is_error = isinstance(ended, Failed)
    what = {"error": ended.error} if isinstance(ended, Failed) else {"result": cut(ended.value, ended.length)}
    shown = {name: cut(text[:limit], len(text)) for name, text in (("stdout", stdout), ("stderr", stderr))}
    return Outcome(_print({**what, **shown}), is_error, [stdout] if stdout else [], [stderr] if stderr else [])


def _print(answer: dict[str, str]) -> str:
    return orjson.dumps(answer).decode()
