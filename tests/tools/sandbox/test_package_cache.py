"""Sets of packages on disk."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from services.tools.sandbox.installer import CannotInstall, Installer
from services.tools.sandbox.job import Language
from services.tools.sandbox.package_cache import PackageCache, PackageSet
from tests.tools.sandbox.nesting import nest
from tests.tools.sandbox.wheels import make_wheel, pip_settings

BIG = 1000


class WritingInstaller(Installer):
    """Writes a file of `BIG` bytes when it is told to go on; "broken" fails, "deep" nests folders."""

    def __init__(self) -> None:
        super().__init__({})
        self.installed: list[Sequence[str]] = []
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def install(self, language: Language, packages: Sequence[str], folder: Path) -> None:
        self.installed.append(packages)
        await self.goes_on.wait()
        if "broken" in packages:
            raise CannotInstall("it is broken")
        if "deep" in packages:
            nest(folder)
        (folder / "big").write_bytes(bytes(BIG))


def a_set(*packages: str) -> PackageSet:
    return PackageSet("python", packages)


async def test_calls_at_once_share_one_installation(tmp_path: Path) -> None:
    installer = WritingInstaller()
    cache = PackageCache(tmp_path, installer)

    folders = await asyncio.gather(*(cache.use(a_set("one")) for _ in range(5)))

    assert len(installer.installed) == len(set(folders)) == 1
    assert (await cache.use(a_set("one"))) == folders[0]
    await cache.close()


async def test_packages_with_folders_of_any_depth_are_refused(tmp_path: Path) -> None:
    cache = PackageCache(tmp_path, WritingInstaller())

    with pytest.raises(CannotInstall, match="nested too deeply"):
        await cache.use(a_set("deep"))

    assert [one.name for one in tmp_path.iterdir()] == [".lock"]  # noqa: ASYNC240
    await cache.close()


async def test_an_installation_goes_on_when_its_caller_leaves(tmp_path: Path) -> None:
    installer = WritingInstaller()
    installer.goes_on.clear()
    cache = PackageCache(tmp_path, installer)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await cache.use(a_set("one"))

    installer.goes_on.set()
    await cache.use(a_set("one"))

    assert len(installer.installed) == 1
    await cache.close()


async def test_a_failure_is_not_tried_again_at_once(tmp_path: Path) -> None:
    installer = WritingInstaller()
    cache = PackageCache(tmp_path, installer)

    for _ in range(3):
        with pytest.raises(CannotInstall, match="it is broken"):
            await cache.use(a_set("broken"))

    assert len(installer.installed) == 1
    assert os.listdir(tmp_path) == [".lock"]
    await cache.close()


async def test_sets_that_were_not_used_for_long_make_room(tmp_path: Path) -> None:
    cache = PackageCache(tmp_path, WritingInstaller(), max_bytes=3 * BIG)
    for number, name in enumerate(("used", "old", "new")):
        folder = await cache.use(a_set(name))
        if name != "used":
            cache.release(folder)
        os.utime(folder, (number, number))

    await cache.use(a_set("newest"))

    kept = {one.name for one in tmp_path.iterdir() if not one.name.startswith(".")}  # noqa: ASYNC240
    assert kept == {a_set(name).folder for name in ("used", "new", "newest")}
    await cache.close()


async def test_a_set_that_is_too_big_is_refused(tmp_path: Path) -> None:
    cache = PackageCache(tmp_path, WritingInstaller(), max_bytes=BIG - 1)

    with pytest.raises(CannotInstall, match="at most 999"):
        await cache.use(a_set("one"))
    await cache.close()


async def test_an_installation_that_was_killed_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / ".new-abc").mkdir()
    (tmp_path / ".new-abc" / "half").write_text("")

    cache = PackageCache(tmp_path, WritingInstaller())

    assert os.listdir(tmp_path) == [".lock"]
    await cache.close()


async def test_a_folder_belongs_to_one_process(tmp_path: Path) -> None:
    cache = PackageCache(tmp_path, WritingInstaller())
    program = (
        "import sys\nfrom pathlib import Path\nfrom services.tools.sandbox.installer import Installer\n"
        "from services.tools.sandbox.package_cache import PackageCache\nPackageCache(Path(sys.argv[1]), Installer({}))"
    )

    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program, str(tmp_path)], capture_output=True, check=False
    )

    assert b"BlockingIOError" in done.stderr
    await cache.close()


async def test_an_installer_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    make_wheel(tmp_path, "greeting", "")
    installer = Installer(pip_settings(tmp_path), timeout_s=0.01)

    with pytest.raises(CannotInstall, match=r"installing greeting took longer than 0\.01 s"):
        await installer.install("python", ["greeting"], tmp_path)


async def test_an_installer_gets_no_secrets(tmp_path: Path) -> None:
    (tmp_path / "npm").write_text("#!/bin/sh\nenv\nexit 1\n")
    (tmp_path / "npm").chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "HTTPS_PROXY": "http://proxy",
        "no_proxy": "here",
        "NPM_CONFIG_REGISTRY": "http://packages",
        "UV_INDEX_URL": "http://index",
        "OPENAI_API_KEY": "secret",
        "DATABASE_URL": "secret",
        "PERDURE_SECRET_KEY": "secret",
    }

    with pytest.raises(CannotInstall) as failure:
        await Installer(environment).install("typescript", ["one"], tmp_path)

    said = str(failure.value)
    assert "secret" not in said
    assert all(name in said for name in ("HTTPS_PROXY=", "no_proxy=", "NPM_CONFIG_REGISTRY=", "PIP_INDEX_URL=http://i"))
