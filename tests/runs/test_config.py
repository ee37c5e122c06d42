"""What the runs service reads from its environment."""

import pytest

from services.common.config import BadConfiguration, Environment
from services.runs.config import Config

NEEDED = {"PERDURE_LISTEN": "unix:/tmp/runs.sock", "DATABASE_URL": "postgresql://localhost/perdure"}


def test_limits_are_settings() -> None:
    given = {"PERDURE_ON_BUSY": "enqueue", "PERDURE_CONVERSATION_QUEUE": "7", "PERDURE_RUNS_DRAIN_S": "2.5"}
    given["PERDURE_RUNS_STREAM_DRAIN_S"] = "0"

    config = Config.read(Environment(NEEDED | given))

    assert (config.limits.on_busy, config.limits.longest_line, config.drain_s) == ("enqueue", 7, 2.5)
    assert (config.stream_drain_s, config.limits.slots) == (0, 1000)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PERDURE_ON_BUSY", "panic"),
        ("PERDURE_RUNS_STREAMS", "0"),
        ("PERDURE_CONVERSATION_QUEUE", "many"),
        ("PERDURE_RUNS_DRAIN_S", "inf"),
    ],
)
def test_a_limit_that_makes_no_sense_is_named(name: str, value: str) -> None:
    with pytest.raises(BadConfiguration, match=name):
        Config.read(Environment(NEEDED | {name: value}))
