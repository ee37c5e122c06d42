"""Places in how a server is reached that the agent's variables fill."""

import pytest

from services.contract.mcp import McpConfig, StdioConfig, StreamableHTTPConfig
from services.tools.mcp.server import ServerFailed
from services.tools.mcp.templates import MissingVariables, fill_config, fill_for_listing
from tests.tools.mcp.conftest import AddServer, Execute
from tests.tools.mcp.probe import serving, stdio_config

HTTP = StreamableHTTPConfig(
    server_url="https://{{HOST | example.com}}/{{ REGION }}/mcp",
    auth_token="{{TOKEN}}",
    custom_headers={"X-User": "user {{USER_ID}}", "X-Plain": "{plain}"},
)


def test_variables_fill_address_token_and_headers() -> None:
    variables = {"REGION": "eu", "TOKEN": "t", "USER_ID": "7"}

    filled = fill_config("far", HTTP, variables)

    assert filled == StreamableHTTPConfig(
        server_url="https://example.com/eu/mcp",
        auth_token="t",
        custom_headers={"X-User": "user 7", "X-Plain": "{plain}"},
    )


def test_a_variable_goes_before_the_default() -> None:
    config = StdioConfig(command="run", args=["--key={{KEY|none}}", "{{OTHER | a b }}"], env={"LEVEL": "{{LEVEL|}}"})

    filled = fill_config("near", config, {"KEY": "{{OTHER}}"})

    assert filled == StdioConfig(command="run", args=["--key={{OTHER}}", "a b"], env={"LEVEL": ""})


def test_all_missing_variables_are_named() -> None:
    with pytest.raises(MissingVariables, match="'far' needs REGION, TOKEN, USER_ID, which"):
        fill_config("far", HTTP, {"HOST": "h"})


def test_listing_does_without_the_headers_of_agents() -> None:
    config = HTTP.model_copy(update={"server_url": "https://example.com/mcp"})

    filled = fill_for_listing("far", config)

    assert filled == StreamableHTTPConfig(
        server_url="https://example.com/mcp", auth_token=None, custom_headers={"X-Plain": "{plain}"}
    )


@pytest.mark.parametrize("config", [HTTP, StdioConfig(command="run", args=["{{KEY}}"])])
def test_listing_needs_the_rest(config: McpConfig) -> None:
    with pytest.raises(MissingVariables):
        fill_for_listing("far", config)


def test_what_is_filled_has_to_be_an_address() -> None:
    with pytest.raises(ServerFailed, match="no usable address"):
        fill_config("far", StreamableHTTPConfig(server_url="{{URL}}"), {"URL": "file:///etc/passwd"})


async def test_each_agent_fills_the_places_of_its_calls(add_server: AddServer, execute: Execute) -> None:
    async with serving("streamable_http") as config:
        headers = {"X-Own": "{{NAME | nobody}}"}
        server = await add_server({**config, "auth_token": "{{TOKEN}}", "custom_headers": headers})

        returned = [
            await execute(server, "authorization", variables)
            for variables in ({"TOKEN": "a", "NAME": "Ada"}, {"TOKEN": "b"}, {})
        ]

    assert [one.value for one in returned[:2]] == [
        "{'authorization': 'Bearer a', 'x-own': 'Ada'}",
        "{'authorization': 'Bearer b', 'x-own': 'nobody'}",
    ]
    assert "needs TOKEN, which the agent's environment variables do not have" in returned[2].value


async def test_a_program_is_run_once_per_environment(add_server: AddServer, execute: Execute) -> None:
    server = await add_server(stdio_config(PROBE_SECRET="{{SECRET | none}}"))

    said = [await execute(server, "secret", variables) for variables in ({"SECRET": "a"}, {"SECRET": "b"}, {})]
    pids = [await execute(server, "count", {"SECRET": secret}) for secret in ("a", "b", "a")]

    assert [one.value for one in said] == ["a", "b", "none"]
    assert pids[0].value == pids[2].value != pids[1].value
