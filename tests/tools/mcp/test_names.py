"""Names of MCP tools as providers take them."""

import pytest

from services.tools.mcp.names import MAX_NAME, tool_name


@pytest.mark.parametrize(
    ("name", "expected"), [("echo", "echo"), ("files/read.text", "files_read_text"), ("x" * 64, "x" * 64), ("", "tool")]
)
def test_names_have_only_what_providers_take(name: str, expected: str) -> None:
    assert tool_name(name) == expected


def test_long_names_that_begin_alike_stay_apart() -> None:
    names = [tool_name("x" * 80 + end) for end in "abcd"]

    assert len(set(names)) == len(names)
    assert {len(name) for name in names} == {MAX_NAME}
