import re

import pytest

from services.cli.embedded.gateway_config import address, lua_pattern, origin_pattern
from services.cli.process import StartFailed
from services.cli.stack import read_max_body_bytes
from services.common.config import Environment


def test_path_becomes_a_lua_pattern() -> None:
    assert lua_pattern("/v1/add-base/{tool_id}/run") == "^/v1/add%-base/[^/]+/run/?$"


def test_targets_become_addresses() -> None:
    assert address("unix:/run/a.sock") == {"pipe": {"path": "/run/a.sock"}}
    assert address("agents:50051") == {"socket_address": {"address": "agents", "port_value": 50051}}


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:3000", True),
        ("https://127.0.0.1", True),
        ("http://[::1]:80", True),
        ("https://app.example", True),
        ("https://app.example.evil", False),
        ("http://localhost.evil", False),
        ("null", False),
    ],
)
def test_only_local_and_named_origins_are_allowed(origin: str, allowed: bool) -> None:
    assert bool(re.fullmatch(origin_pattern(["https://app.example"]), origin)) is allowed


@pytest.mark.parametrize("mebibytes", ["61", "0", "much"])
def test_a_bound_on_bodies_that_makes_no_sense_stops_the_start(mebibytes: str) -> None:
    with pytest.raises(StartFailed, match="PERDURE_MAX_BODY_MB"):
        read_max_body_bytes(Environment({"PERDURE_MAX_BODY_MB": mebibytes}))
