"""Calls in processes of their own."""

import asyncio
import os
import sys
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from services.tools.sandbox.job import Event, Failed, Job, Printed, Returned
from services.tools.sandbox.sandbox import Sandbox, SandboxOptions
from tests.tools.conftest import LIMITS
from tests.tools.processes import WITHIN_S, has_ended, has_started
from tests.tools.sources import sleeping_source, tool_source

SHORT = replace(LIMITS, timeout_s=5.0)  # for calls that run into them, after what they do before


async def events_of(sandbox: Sandbox, source: str, **options: Any) -> list[Event]:
    job = Job(source=source, arguments=options.pop("arguments", {}), **options)
    return [event async for event in sandbox.run(job)]


async def result_of(sandbox: Sandbox, source: str, **options: Any) -> str:
    ended = (await events_of(sandbox, source, **options))[-1]
    assert isinstance(ended, Returned), ended
    return ended.value


async def error_of(sandbox: Sandbox, source: str, **options: Any) -> str:
    ended = (await events_of(sandbox, source, **options))[-1]
    assert isinstance(ended, Failed), ended
    return ended.error


def text_of(events: list[Event], stream: str) -> str:
    return "".join(event.text for event in events if isinstance(event, Printed) and event.stream == stream)


@pytest.mark.parametrize(
    ("annotation", "value", "seen"),
    [
        ("int", "3", "3"),
        ("int", 3.0, "3"),
        ("int", 2**70 + 1, "1180591620717411303425"),
        ("float", 2, "2.0"),
        ("bool", "false", "False"),
        ("str", 5, "'5'"),
        ("str", "; import os", "'; import os'"),
        ("list[int]", ["1", 2], "[1, 2]"),
        ("dict[str, float]", {"a": 1}, "{'a': 1.0}"),
        ("tuple[int, str]", [1, "a"], "(1, 'a')"),
        ("int | None", None, "None"),
        ("int | str", "x", "'x'"),
        ("Color", "red", "<Color.RED: 'red'>"),
        ("list[Item]", [{"sku": "a", "count": "2"}], "[Item(sku='a', count=2)]"),
        ("Point", {"x": "1"}, "Point(x=1)"),
        ("list[Item]", '[{"sku": "a", "count": 2}]', "[Item(sku='a', count=2)]"),
        ("Item", '{"sku": "a", "count": 2}', "Item(sku='a', count=2)"),
        ("Point", '{"x": 1}', "Point(x=1)"),
        ("dict", '{"a": 1}', "{'a': 1}"),
        ("list[int] | None", "[1]", "[1]"),
        ("str | list[int]", "[1]", "'[1]'"),
        ("str", '{"a": 1}', """'{"a": 1}'"""),
        ("dict", "plain", "'plain'"),
        ("date", "2026-03-09", "datetime.date(2026, 3, 9)"),
        ("Nowhere", {"a": {"b": 1}}, "{'a': {'b': 1}}"),
    ],
)
async def test_arguments_arrive_as_the_annotations_want_them(
    sandbox: Sandbox, annotation: str, value: Any, seen: str
) -> None:
    types = (
        "from dataclasses import dataclass\nfrom datetime import date\nfrom enum import Enum\n"
        "from pydantic import BaseModel\n"
        "class Color(Enum):\n    RED = 'red'\n"
        "class Item(BaseModel):\n    sku: str\n    count: int\n"
        "@dataclass\nclass Point:\n    x: int\n"
    )
    source = types + tool_source("return repr(x)", parameters=f"x: {annotation}")

    assert await result_of(sandbox, source, arguments={"x": value}, has_foreign_types=annotation == "Nowhere") == seen


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("return None", "None"),
        ("return 'text'", "text"),
        ("return {'a': [1, 'ü']}", '{"a": [1, "ü"]}'),
        ("return [1, 'a']", "[1, 'a']"),
        ("return object", "<class 'object'>"),
        ("return 'a\\x00b'", "a\ufffdb"),
        ("return '\\ud800'", "?"),
        ("return {(1, 2): 3}", "{(1, 2): 3}"),
        ("a = {}\na['a'] = a\nreturn a", "{'a': {...}}"),
    ],
)
async def test_results_come_back_as_text(sandbox: Sandbox, body: str, value: str) -> None:
    assert await result_of(sandbox, tool_source(body)) == value


async def test_asynchronous_functions_are_awaited(sandbox: Sandbox) -> None:
    source = "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    return 'awaited'\n"

    assert await result_of(sandbox, source) == "awaited"


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("def f():\n    yield 'one'\n    yield 2\n", "one\n2"),
        ("def f():\n    yield 'one'\n    yield 2\n    return 'all'\n", "all"),
        ("async def f():\n    yield 'one'\n    yield 2\n", "one\n2"),
    ],
)
async def test_what_a_generator_yields_is_printed_at_once(sandbox: Sandbox, source: str, value: str) -> None:
    *printed, ended = [event async for event in sandbox.run(Job(source=source, arguments={}))]

    assert "".join(event.text for event in printed if isinstance(event, Printed)) == "one\n2\n"
    assert isinstance(ended, Returned)
    assert ended.value == value


async def test_a_generator_that_fails_keeps_what_it_printed(sandbox: Sandbox) -> None:
    source = "def f():\n    yield 'one'\n    raise ValueError('no more')\n"

    first, *_, ended = [event async for event in sandbox.run(Job(source=source, arguments={}))]

    assert first == Printed("stdout", "one\n")
    assert ended == Failed("ValueError: no more")


async def test_agent_state_has_attributes(sandbox: Sandbox) -> None:
    source = "def f(agent_state):\n    return agent_state.tools[0].name\n"

    assert await result_of(sandbox, source, agent_state='{"tools": [{"name": "t"}]}') == "t"


@pytest.mark.parametrize("change", ["sys.stdout = None", "sys.stdout.close()", "sys.stderr.close()"])
async def test_a_tool_may_put_its_streams_away(sandbox: Sandbox, change: str) -> None:
    assert await result_of(sandbox, tool_source(f"import sys\n{change}\nreturn 5")) == "5"


async def test_what_may_be_none_can_be_left_out(sandbox: Sandbox) -> None:
    assert await result_of(sandbox, "def f(x: int | None):\n    return x\n") == "None"


@pytest.mark.parametrize(
    ("source", "arguments", "error"),
    [
        (tool_source("return 1 / 0"), {}, "ZeroDivisionError: division by zero"),
        (tool_source("import sys\nsys.exit(1)"), {}, "SystemExit: 1"),
        (
            "class E(Exception):\n    def __str__(self): raise self\ndef f(): raise E",
            {},
            "E: (it cannot be printed)",
        ),
        (tool_source("import sys\nsys.stderr.close()\nraise ValueError('x')"), {}, "ValueError: x"),
        (tool_source(parameters="x: int"), {"x": "many"}, "ValueError: invalid literal for int() with base 10: 'many'"),
        (tool_source(parameters="x"), {}, "TypeError: probe() missing 1 required positional argument: 'x'"),
        (tool_source(), {"x": 1}, "TypeError: probe() got an unexpected keyword argument 'x'"),
        (tool_source("import services"), {}, "ModuleNotFoundError: No module named 'services'"),
        (tool_source("import sqlalchemy"), {}, "ModuleNotFoundError: No module named 'sqlalchemy'"),
        ("import nowhere\n" + tool_source(), {}, "ModuleNotFoundError: No module named 'nowhere'"),
        (tool_source("import os\nos._exit(3)"), {}, "ProcessEnded: it exited with code 3 before the function returned"),
        (tool_source("return 'x' * 10**10"), {}, "MemoryError: "),
        (tool_source("open('big', 'wb').write(b'x' * 70 * 2**20)"), {}, "OSError: [Errno 27] File too large"),
    ],
)
async def test_failures_are_told(sandbox: Sandbox, source: str, arguments: dict[str, Any], error: str) -> None:
    assert await error_of(sandbox, source, arguments=arguments) == error


async def test_a_traceback_shows_the_code_of_the_tool_alone(sandbox: Sandbox) -> None:
    events = await events_of(sandbox, tool_source("raise ValueError('x')"))

    shown = text_of(events, "stderr")
    assert shown.splitlines()[1:3] == ['  File "<tool>", line 4, in probe', "    raise ValueError('x')"]
    assert "runner" not in shown


async def test_what_is_printed_comes_while_the_tool_runs(sandbox: Sandbox) -> None:
    job = Job(source=tool_source("print('now')\nimport time\ntime.sleep(30)"), arguments={})

    async with aclosing(sandbox.run(job)) as events:
        assert await anext(events) == Printed("stdout", "now\n")


@pytest.mark.parametrize("limits", [SHORT])
async def test_the_deadline_kills_the_tool_and_its_children(sandbox: Sandbox) -> None:
    events = await events_of(sandbox, sleeping_source("61.25", then="time.sleep(60)"))

    assert events == [Printed("stdout", "started\n"), Failed("TimeoutError: the call took longer than 5 s")]
    assert await has_ended("61.25")


async def test_children_die_when_the_tool_returns(sandbox: Sandbox) -> None:
    await result_of(sandbox, sleeping_source("62.25", then="return 1"))

    assert await has_ended("62.25")


async def test_leaving_the_loop_kills_the_tool(sandbox: Sandbox) -> None:
    job = Job(source=sleeping_source("63.25", then="time.sleep(60)"), arguments={})

    async with aclosing(sandbox.run(job)) as events:
        await anext(events)
        assert await has_started("63.25")

    assert await has_ended("63.25")


CALLER = """
import asyncio
import sys
from services.tools.sandbox.job import Job, Limits
from services.tools.sandbox.sandbox import Sandbox, SandboxOptions

async def main():
    async for event in Sandbox(Limits(), SandboxOptions(concurrency=1)).run(Job(source=sys.argv[1], arguments={})):
        print(event.text, end="", flush=True)

asyncio.run(main())
"""


async def test_the_tool_dies_with_its_caller() -> None:
    source = sleeping_source("64.25", then="time.sleep(60)")
    caller = await asyncio.create_subprocess_exec(sys.executable, "-c", CALLER, source, stdout=asyncio.subprocess.PIPE)
    assert caller.stdout is not None
    await caller.stdout.readline()
    assert await has_started("64.25")

    caller.kill()
    await caller.wait()

    assert await has_ended("64.25")


@pytest.mark.parametrize("limits", [SHORT])
async def test_endless_output_is_cut_and_ended(sandbox: Sandbox) -> None:
    async with asyncio.timeout(WITHIN_S):
        events = await events_of(sandbox, tool_source("while True: print('y' * 1000)"))

    assert len(text_of(events, "stdout")) == SHORT.output_chars
    assert isinstance(events[-1], Failed)


async def test_a_long_result_is_cut(sandbox: Sandbox) -> None:
    events = await events_of(sandbox, tool_source("return 'x' * 10**7"), return_char_limit=100)

    assert events[-1] == Returned("x" * 100, 10**7)


async def test_the_environment_is_the_tools_own(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVER_SECRET", "s")

    names = await result_of(
        sandbox, tool_source("import os\nreturn ' '.join(sorted(os.environ))"), environment={"MINE": "m"}
    )

    assert names == "HOME LANG MINE PATH TMPDIR"


async def test_the_folder_is_private_and_goes_with_the_call(sandbox: Sandbox) -> None:
    body = "import os\nopen('mine', 'w').close()\nreturn f'{os.getcwd()} {os.environ[\"HOME\"]} {os.listdir()}'"

    folder, home, files = (await result_of(sandbox, tool_source(body))).split(" ")

    assert (folder, files) == (home, "['mine']")
    assert not os.path.exists(folder)  # noqa: ASYNC240


async def test_no_descriptor_of_the_server_is_open(sandbox: Sandbox) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(reading, True)
    body = (
        "import os, stat\npipes = 0\nfor fd in range(256):\n"
        "    try: pipes += stat.S_ISFIFO(os.fstat(fd).st_mode)\n    except OSError: pass\n"
        "return pipes"
    )

    try:
        pipes = await result_of(sandbox, tool_source(body))
    finally:
        os.close(reading)
        os.close(writing)

    assert pipes == "3"  # stdout, stderr, the result


async def test_a_call_has_no_descriptors_but_its_own(sandbox: Sandbox) -> None:
    body = (
        "import os\nfound = []\nfor fd in range(256):\n"
        "    try: found.append(os.fstat(fd))\n    except OSError: pass\n"
        "return len(found)"
    )

    assert await result_of(sandbox, tool_source(body)) == "4"  # standard input, stdout, stderr, the result


async def test_a_tool_starts_the_interpreter(sandbox: Sandbox) -> None:
    body = "import subprocess, sys\nreturn subprocess.check_output([sys.executable, '-c', 'print(1)'], text=True)"

    assert await result_of(sandbox, tool_source(body)) == "1\n"


async def test_standard_input_is_empty(sandbox: Sandbox) -> None:
    assert await result_of(sandbox, tool_source("import sys\nreturn repr(sys.stdin.read())")) == "''"


async def test_a_forged_result_is_checked(sandbox: Sandbox) -> None:
    def forging(frame: bytes) -> str:
        return tool_source(
            "import os\nfor fd in range(3, 64):\n    try: os.write(fd, " + repr(frame) + ")\n    except OSError: pass\n"
            "import time\ntime.sleep(60)"
        )

    assert "at most" in await error_of(sandbox, forging(b"\xff\xff\xff\xff"))
    assert (await error_of(sandbox, forging(b"\0\0\0\x02[]"))) == "BadResult: it is not an object"
    assert (await error_of(sandbox, forging(b"\0\0\0\x02{["))).startswith("BadResult: ")


async def test_calls_wait_for_a_free_place() -> None:
    sandbox = Sandbox(LIMITS, SandboxOptions(concurrency=1))
    source = tool_source("import time\nt = time.time()\ntime.sleep(0.1)\nreturn f'{t} {time.time()}'")

    first, second = await asyncio.gather(result_of(sandbox, source), result_of(sandbox, source))
    await sandbox.close()

    times = sorted([first.split(), second.split()])
    assert float(times[0][1]) <= float(times[1][0])


async def test_a_call_does_not_wait_for_ever_for_a_place() -> None:
    sandbox = Sandbox(replace(LIMITS, waiting_s=0.01), SandboxOptions(concurrency=1))
    first = sandbox.run(Job(source=tool_source("print(1, flush=True)\nimport time\ntime.sleep(60)"), arguments={}))
    await anext(first)

    assert await error_of(sandbox, tool_source()) == "SandboxBusy: no place was free for the call within 0.01 s"

    await first.aclose()
    await result_of(sandbox, tool_source())
    await sandbox.close()


IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 400_000}}
LINK = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
TEXT = {"type": "text", "text": "seen"}


@pytest.mark.parametrize(
    ("returned", "value", "parts"),
    [
        (IMAGE, "", (IMAGE,)),
        ([TEXT, LINK, IMAGE], "seen", (TEXT, LINK, IMAGE)),
        ([TEXT], "[{'type': 'text', 'text': 'seen'}]", ()),
        ([TEXT, LINK, {"type": "other"}], None, ()),
    ],
)
async def test_images_come_back_whole(sandbox: Sandbox, returned: Any, value: str | None, parts: tuple[Any]) -> None:
    events = await events_of(sandbox, tool_source("return x", parameters="x"), arguments={"x": returned})

    ended = events[-1]
    assert isinstance(ended, Returned), ended
    assert value is None or ended.value == value
    assert ended.parts == parts


async def test_an_image_without_a_source_is_refused(sandbox: Sandbox) -> None:
    error = await error_of(sandbox, tool_source("return {'type': 'image', 'data': 'AAAA'}"))

    assert error == "BadResult: a part of it is neither text nor an image with a source"


async def test_the_layers_are_named(sandbox: Sandbox) -> None:
    layers = await sandbox.start()

    assert sandbox.layers == layers
    assert "seccomp" in layers.names


async def test_what_calls_are_forked_from_is_replaced_when_it_dies(sandbox: Sandbox) -> None:
    await sandbox.start()
    assert sandbox._plain._zygote is not None
    sandbox._plain._zygote._process.kill()
    sandbox._plain._zygote._process.wait()

    assert await result_of(sandbox, tool_source("return 1")) == "1"
