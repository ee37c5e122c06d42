from pathlib import Path

import pytest

from services.cli.data_dir import open_data_dir
from services.cli.process import StartFailed

MAX_SOCKET_PATH_BYTES = 107  # unix(7)


def test_one_stack_at_a_time(tmp_path: Path) -> None:
    with (
        open_data_dir(tmp_path),
        pytest.raises(StartFailed, match=f"Another perdure up is running with the data directory {tmp_path}"),
        open_data_dir(tmp_path),
    ):
        pass


def test_data_dir_can_be_opened_again(tmp_path: Path) -> None:
    with open_data_dir(tmp_path) as first:
        sockets = first.sockets

    assert not sockets.exists()
    with open_data_dir(tmp_path) as second:
        assert second.sockets == sockets


def test_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").touch()

    with (
        pytest.raises(StartFailed, match=f"The data directory {tmp_path}/data cannot be used"),
        open_data_dir(tmp_path / "data"),
    ):
        pass


def test_socket_paths_are_short_wherever_the_data_is(tmp_path: Path) -> None:
    with open_data_dir(tmp_path / ("long" * 50)) as data_dir:
        longest = data_dir.sockets / "services" / "llm_router-10.sock"

    assert len(bytes(longest)) <= MAX_SOCKET_PATH_BYTES


def test_sockets_of_a_killed_stack_are_cleared_away(tmp_path: Path) -> None:
    with open_data_dir(tmp_path) as data_dir:
        sockets = data_dir.sockets
    (sockets / "services").mkdir(parents=True)
    (sockets / "services" / "runs.sock").touch()

    with open_data_dir(tmp_path):
        assert list((sockets / "services").iterdir()) == []


def test_secret_key_is_made_once_and_private(tmp_path: Path) -> None:
    with open_data_dir(tmp_path) as data_dir:
        key = data_dir.secret_key()

    with open_data_dir(tmp_path) as data_dir:
        assert data_dir.secret_key() == key
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600
