"""Removing what tools have left."""

from pathlib import Path

from services.tools.sandbox.removal import remove_folder
from tests.tools.sandbox.nesting import LEVELS, nest
from tests.tools.sandbox.test_degraded import run
from tests.tools.sources import tool_source


def test_a_folder_is_removed_with_all_that_is_in_it_and_nothing_else(tmp_path: Path) -> None:
    folder, other = tmp_path / "folder", tmp_path / "other"
    (folder / "deep").mkdir(parents=True)
    nest(folder / "deep")
    (folder / "closed").mkdir()
    (folder / "closed" / "file").touch()
    (folder / "closed").chmod(0)
    other.mkdir()
    (other / "kept").touch()
    (folder / "link").symlink_to(other)

    remove_folder(folder)

    assert not folder.exists()
    assert (other / "kept").exists()


def test_a_folder_that_is_gone_stays_gone(tmp_path: Path) -> None:
    remove_folder(tmp_path / "gone")

    assert list(tmp_path.iterdir()) == []


async def test_a_call_may_nest_folders_on_disk(tmp_path: Path) -> None:
    nesting = f"import os\nfor _ in range({LEVELS}):\n    os.mkdir('d')\n    os.chdir('d')\nreturn 1"

    _, endings = await run(["mounts"], [tool_source(nesting), tool_source("return 2")])

    assert endings == [["returned", "1"], ["returned", "2"]]
