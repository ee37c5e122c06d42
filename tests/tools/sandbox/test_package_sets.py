"""Tools that need packages."""

import asyncio
import errno
import os
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvloop

from services.tools.sandbox.job import Failed, Job, Limits, Printed, Returned
from services.tools.sandbox.network import Reachable
from services.tools.sandbox.package_cache import PackageSet
from services.tools.sandbox.sandbox import Sandbox, SandboxOptions
from tests.tools.sandbox.wheels import make_wheel, pip_settings
from tests.tools.sources import tool_source

LIMITS = Limits(timeout_s=60.0)
REFUSALS = [str(number) for number in (errno.ENOENT, errno.EACCES, errno.EROFS, errno.EPERM)]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    make_wheel(folder, "greeting", "TEXT = 'hello'")
    make_wheel(folder, "greeting", "TEXT = 'hello again'", version="2.0")
    make_wheel(folder, "farewell", "TEXT = 'goodbye'")
    make_wheel(folder, "pydantic", "TEXT = 'another pydantic'")
    make_wheel(folder, "nosy", "import os, sys\nSEEN = f'{os.getpid()} {sys.path}'")
    with tarfile.open(folder / "built-1.0.tar.gz", "w:gz") as archive:
        (folder / "setup.py").write_text("open('/tmp/escaped-from-setup', 'w')")
        archive.add(folder / "setup.py", "built-1.0/setup.py")
    return folder


@pytest.fixture(scope="module")
async def sandbox(wheels: Path) -> AsyncIterator[Sandbox]:
    box = Sandbox(LIMITS, SandboxOptions(environment=pip_settings(wheels)))
    yield box
    await box.close()


async def ending_of(sandbox: Sandbox, body: str, *packages: str) -> Returned | Failed:
    job = Job(source=tool_source(body), arguments={}, packages=packages)
    ended = [event async for event in sandbox.run(job)][-1]
    assert not isinstance(ended, Printed)
    return ended


async def result_of(sandbox: Sandbox, body: str, *packages: str) -> str:
    ended = await ending_of(sandbox, body, *packages)
    assert isinstance(ended, Returned), ended
    return ended.value


async def test_a_tool_imports_its_packages(sandbox: Sandbox) -> None:
    body = (
        "import greeting, farewell, pydantic\nreturn f'{greeting.TEXT}, {farewell.TEXT}, {pydantic.BaseModel.__name__}'"
    )

    assert await result_of(sandbox, body, "farewell", "greeting") == "hello again, goodbye, BaseModel"


async def test_sets_with_other_versions_are_apart(sandbox: Sandbox) -> None:
    body = "import greeting\nreturn greeting.TEXT"

    assert await result_of(sandbox, body, "greeting==1.0") == "hello"
    assert await result_of(sandbox, body, "greeting==2.0") == "hello again"


async def test_a_tool_cannot_import_packages_of_others(sandbox: Sandbox) -> None:
    await result_of(sandbox, "import greeting", "greeting")

    ended = await ending_of(sandbox, "import greeting", "farewell")

    assert ended == Failed("ModuleNotFoundError: No module named 'greeting'")


async def test_a_package_takes_the_place_of_ours(sandbox: Sandbox) -> None:
    assert await result_of(sandbox, "import pydantic\nreturn pydantic.TEXT", "pydantic") == "another pydantic"


async def test_packages_are_first_run_within_a_call(sandbox: Sandbox) -> None:
    body = "import os, nosy\nreturn nosy.SEEN.split()[0] == str(os.getpid())"

    assert await result_of(sandbox, body, "nosy") == "True"


@pytest.mark.parametrize(
    ("package", "words"),
    [("greeting==9", "No matching distribution found for greeting==9"), ("nowhere", "nowhere"), ("built", "built")],
)
async def test_a_failure_has_the_words_of_pip(sandbox: Sandbox, package: str, words: str) -> None:
    ended = await ending_of(sandbox, "return 1", package)

    assert isinstance(ended, Failed)
    assert ended.error.startswith(f"CannotInstall: {package} could not be installed: ERROR: ")
    assert words in ended.error
    assert not Path("/tmp/escaped-from-setup").exists()  # noqa: ASYNC240


@pytest.mark.parametrize(
    "attempt",
    [
        "open('{other}/greeting.py').read()",
        "os.listdir('{other}')",
        "os.listdir(os.path.dirname(farewell.__file__) + '/../' + os.path.basename('{other}'))",
        "open(farewell.__file__, 'a')",
        "open(os.path.dirname(farewell.__file__) + '/new.py', 'w')",
        "os.mkdir(os.path.dirname(farewell.__file__) + '/__pycache__/new')",
        "os.remove(farewell.__file__)",
        "os.rename(os.path.dirname(farewell.__file__), os.path.dirname(farewell.__file__) + '-old')",
        "os.chmod(farewell.__file__, 0o777)",
        "os.symlink('{other}', 'other'); os.listdir('other')",
    ],
)
async def test_a_tool_with_packages_cannot(sandbox: Sandbox, attempt: str) -> None:
    await result_of(sandbox, "import greeting", "greeting")
    other = str(sandbox._cache._folder / PackageSet("python", ("greeting",)).folder)
    body = attempt.replace("{other}", other)

    found = await result_of(
        sandbox,
        f"import os, farewell\ntry: {body}\nexcept OSError as exc: return exc.errno\nreturn 'escaped'",
        "farewell",
    )

    assert found in REFUSALS
    assert os.path.exists(f"{other}/greeting.py")  # noqa: ASYNC240


async def test_what_forks_one_set_dies_without_hurting_another(sandbox: Sandbox) -> None:
    body = "import greeting\nprint('started', flush=True)\nimport time\ntime.sleep(60)"
    job = Job(source=tool_source(body), arguments={}, packages=("greeting",))
    events = sandbox.run(job)
    assert await anext(events) == Printed("stdout", "started\n")

    zygote = sandbox._stocks._kept[PackageSet("python", ("greeting",))].stock._zygote
    assert zygote is not None
    zygote._process.kill()
    await asyncio.to_thread(zygote._process.wait)

    assert await result_of(sandbox, "import farewell\nreturn farewell.TEXT", "farewell") == "goodbye"
    assert [event async for event in events] == [
        Failed("ProcessEnded: the process was killed by SIGKILL before the function returned")
    ]
    assert await result_of(sandbox, "import greeting\nreturn greeting.TEXT", "greeting") == "hello again"


def test_packages_are_installed_and_connections_made_on_the_loop_of_the_service(wheels: Path) -> None:
    async def run() -> str:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reachable = Reachable(services=frozenset([("127.0.0.1", port)]))
        box = Sandbox(LIMITS, SandboxOptions(environment=pip_settings(wheels), reachable=reachable))
        body = f"import greeting, socket\nsocket.create_connection(('127.0.0.1', {port}))\nreturn greeting.TEXT"
        job = Job(source=tool_source(body), arguments={}, packages=("greeting",), network=True)
        try:
            ended = [event async for event in box.run(job)][-1]
        finally:
            await box.close()
            server.close()
        return getattr(ended, "value", str(ended))

    assert uvloop.run(run()) == "hello again"


async def test_packages_outlive_the_sandbox(wheels: Path, tmp_path: Path) -> None:
    body = "import greeting\nreturn greeting.TEXT"
    first = Sandbox(LIMITS, SandboxOptions(environment=pip_settings(wheels), packages=tmp_path / "kept"))
    await result_of(first, body, "greeting")
    await first.close()

    second = Sandbox(LIMITS, SandboxOptions(environment=pip_settings(tmp_path), packages=tmp_path / "kept"))
    try:
        assert await result_of(second, body, "greeting") == "hello again"
    finally:
        await second.close()


async def test_a_second_sandbox_keeps_packages_of_its_own(wheels: Path, tmp_path: Path) -> None:
    options = SandboxOptions(environment=pip_settings(wheels), packages=tmp_path / "kept")
    first, second = Sandbox(LIMITS, options), Sandbox(LIMITS, options)

    try:
        assert await result_of(second, "import greeting\nreturn greeting.TEXT", "greeting") == "hello again"
        assert second._cache._folder != first._cache._folder
    finally:
        await first.close()
        await second.close()
