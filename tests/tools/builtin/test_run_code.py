"""run_code."""

import os
from collections.abc import AsyncGenerator
from dataclasses import replace

import orjson
import pytest

from services.tools.builtin.calls import BuiltinCalls
from services.tools.builtin.code import Allowance, CodeRunner
from services.tools.sandbox.job import Event, Job, Limits, Returned
from services.tools.sandbox.sandbox import Sandbox, SandboxOptions
from tests.tools.builtin.calling import call
from tests.tools.conftest import LIMITS
from tests.tools.sandbox.test_typescript import with_registry


async def test_python_gives_the_value_of_the_last_line_and_what_was_printed(builtins: BuiltinCalls) -> None:
    code = "import statistics\nprint('working')\nstatistics.mean([3, 5, 10])"

    outcome = await call(builtins, "run_code", code=code, language="python")

    assert not outcome.is_error
    assert orjson.loads(outcome.value) == {"result": "6", "stdout": "working\n", "stderr": ""}
    assert outcome.stdout == ["working\n"]


@pytest.mark.parametrize(
    "code",
    ["", "# nothing", "x = 1", "None", "print('a')\nif True:\n    2", "raise SystemExit", "import sys\nsys.exit(0)"],
)
async def test_a_program_without_a_last_value_has_no_result(builtins: BuiltinCalls, code: str) -> None:
    outcome = await call(builtins, "run_code", code=code, language="python")

    assert not outcome.is_error
    assert orjson.loads(outcome.value)["result"] == ""


async def test_functions_and_classes_see_each_other(builtins: BuiltinCalls) -> None:
    code = "def double(x): return 2 * x\ndef quadruple(x): return double(double(x))\n[quadruple(n) for n in range(3)]"

    outcome = await call(builtins, "run_code", code=code, language="python")

    assert orjson.loads(outcome.value)["result"] == "[0, 4, 8]"


async def test_an_exception_is_an_error_with_its_line(builtins: BuiltinCalls) -> None:
    outcome = await call(builtins, "run_code", code="print('before')\n1 / 0", language="python")

    answer = orjson.loads(outcome.value)
    assert outcome.is_error
    assert answer["error"] == "ZeroDivisionError: division by zero"
    assert answer["stdout"] == "before\n"
    assert 'File "<code>", line 2' in answer["stderr"]
    assert "<tool>" not in answer["stderr"]


async def test_a_program_that_ends_itself_with_a_code_has_failed(builtins: BuiltinCalls) -> None:
    outcome = await call(builtins, "run_code", code="import sys\nsys.exit(3)", language="python")

    assert outcome.is_error
    assert orjson.loads(outcome.value)["error"] == "SystemExit: 3"


async def test_a_program_that_is_none_is_an_error(builtins: BuiltinCalls) -> None:
    outcome = await call(builtins, "run_code", code="def", language="python")

    assert outcome.is_error
    assert orjson.loads(outcome.value)["error"].startswith("SyntaxError")


async def test_an_endless_program_is_ended(builtins: BuiltinCalls) -> None:
    outcome = await call(builtins, "run_code", code="while True: pass", language="python")

    assert outcome.is_error
    assert "error" in orjson.loads(outcome.value)


async def test_a_program_has_no_network(builtins: BuiltinCalls) -> None:
    code = "import socket\nsocket.create_connection(('127.0.0.1', 80))"

    outcome = await call(builtins, "run_code", code=code, language="python")

    assert outcome.is_error
    assert "refused" not in outcome.value


async def test_a_program_does_not_see_the_agents_variables(builtins: BuiltinCalls) -> None:
    code = "import os\nos.environ.get('SECRET')"

    outcome = await call(builtins, "run_code", {"SECRET": "key"}, code=code, language="python")

    assert orjson.loads(outcome.value)["result"] == ""


async def test_nothing_is_left_of_earlier_programs(builtins: BuiltinCalls) -> None:
    await call(builtins, "run_code", code="open('left', 'w').write('x')\ny = 1", language="python")

    outcome = await call(builtins, "run_code", code="import os\n(os.listdir('.'), 'y' in globals())", language="python")

    assert orjson.loads(outcome.value)["result"] == "([], False)"


async def test_long_output_is_cut(builtins: BuiltinCalls) -> None:
    outcome = await call(builtins, "run_code", code="'x' * 1_000_000", language="python")

    assert len(outcome.value) < 51_000
    assert "function output was truncated" in outcome.value


@pytest.mark.parametrize("language", ["r", "java"])
async def test_languages_that_do_not_run_here_say_so(builtins: BuiltinCalls, language: str) -> None:
    outcome = await call(builtins, "run_code", code="1", language=language)

    assert outcome.is_error
    assert "python, js or ts" in outcome.value


@pytest.mark.parametrize("language", ["js", "ts"])
async def test_without_node_the_error_says_so(builtins: BuiltinCalls, language: str) -> None:
    sandbox = Sandbox(LIMITS, SandboxOptions(environment={"PATH": "/nowhere"}))

    outcome = await call(
        replace(builtins, code=CodeRunner(sandbox, Allowance())), "run_code", code="1", language=language
    )

    assert outcome.is_error
    assert orjson.loads(outcome.value)["error"].startswith("NoNode: this server has no Node.js")
    await sandbox.close()


class Recording:
    """A sandbox that keeps the jobs."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    async def run(self, job: Job) -> AsyncGenerator[Event, None]:
        self.jobs.append(job)
        yield Returned("", 0)


async def test_programs_get_what_the_settings_allow(builtins: BuiltinCalls) -> None:
    sandbox, allowance = Recording(), Allowance(("six",), network=True)
    allowed = replace(builtins, code=CodeRunner(sandbox, allowance))

    for language in ("python", "js"):
        await call(allowed, "run_code", code="1", language=language)

    assert [(job.packages, job.network) for job in sandbox.jobs] == [(("six",), True), ((), True)]


@with_registry
async def test_node_runs_javascript_and_typescript(builtins: BuiltinCalls) -> None:
    sandbox = Sandbox(Limits(timeout_s=60.0), SandboxOptions(environment=dict(os.environ)))
    with_node = replace(builtins, code=CodeRunner(sandbox, Allowance()))

    plain = await call(with_node, "run_code", code="const n = 3\nconsole.log(n * 2)", language="js")
    typed = await call(with_node, "run_code", code="const n: number = 3\nconsole.log(n * 2)", language="ts")
    broken = await call(with_node, "run_code", code="throw new Error('no')", language="js")

    assert [orjson.loads(one.value).get("stdout") for one in (plain, typed)] == ["6\n", "6\n"]
    assert broken.is_error
    assert "no" in orjson.loads(broken.value)["error"]
    await sandbox.close()


async def test_a_language_that_is_none_is_named(builtins: BuiltinCalls) -> None:
    outcome = await call(builtins, "run_code", code="1", language="cobol")

    assert outcome.is_error
    assert "language: Input should be 'python', 'js', 'ts', 'r' or 'java'" in outcome.value
