"""The folder of a sandbox."""

import subprocess
import sys
from pathlib import Path

from services.tools.sandbox.work_folder import PREFIX, WorkFolder

PROGRAM = """
import os, sys
from pathlib import Path
from services.tools.sandbox.work_folder import WorkFolder
print(WorkFolder(Path(sys.argv[1])).path, flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_folder_of_a_process_that_was_killed_is_removed(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=False)
    left = Path(killed.stdout.strip())
    assert (left / "calls").is_dir()

    folder = WorkFolder(tmp_path)

    assert not left.exists()
    folder.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_stays(tmp_path: Path) -> None:
    first = WorkFolder(tmp_path)

    second = WorkFolder(tmp_path)

    assert first.path.is_dir()
    first.remove()
    second.remove()


def test_what_only_looks_like_one_stays(tmp_path: Path) -> None:
    (tmp_path / f"{PREFIX}file").write_text("")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(tmp_path / "elsewhere")

    WorkFolder(tmp_path).remove()

    assert sorted(one.name for one in tmp_path.iterdir()) == ["elsewhere", f"{PREFIX}file", f"{PREFIX}link"]
