"""Installing packages on the event loop that the service has."""

import os
import stat
from pathlib import Path

import uvloop

from services.tools.sandbox.installer import Installer
from tests.tools.sandbox.wheels import make_wheel, pip_settings


def test_packages_are_readable_for_all_whatever_the_umask(tmp_path: Path) -> None:
    wheels, folder = tmp_path / "wheels", tmp_path / "set"
    wheels.mkdir()
    folder.mkdir()
    make_wheel(wheels, "greeting", "TEXT = 'hello'")
    before = os.umask(0o077)
    try:
        uvloop.run(Installer(pip_settings(wheels)).install("python", ["greeting"], folder))
    finally:
        os.umask(before)

    assert stat.S_IMODE((folder / "greeting.py").stat().st_mode) == 0o644
