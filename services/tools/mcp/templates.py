"""Places in how a server is reached that each agent fills: {{NAME}}, or {{NAME | default}}.

They may stand in the address, the token, the values of headers, the arguments and the environment of a command, and
take the values of the agent's environment variables of those names, at each call.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from services.contract.mcp import McpConfig, StdioConfig
from services.tools.mcp.server import ServerFailed

_PLACE = re.compile(r"{{\s*([A-Za-z_]\w*)\s*(?:\|([^}]*))?}}", re.ASCII)

Fill = Callable[[str], str]


class MissingVariables(ServerFailed):
    """The agent lacks variables; the message names them."""

    reason = "MISSING_VARIABLES"


def has_places(text: str) -> bool:
    """Whether something in it has to be filled."""
    return _PLACE.search(text) is not None


def fill_config(name: str, config: McpConfig, variables: Mapping[str, str]) -> McpConfig:
    """The config of a server with its places filled. Raises `MissingVariables`, `ServerFailed`."""
    missing: dict[str, None] = {}

    def value(place: re.Match[str]) -> str:
        variable, default = place[1], place[2]
        if variable not in variables and default is None:
            missing[variable] = None
        return variables.get(variable, (default or "").strip())

    filled = _map_texts(config, lambda text: _PLACE.sub(value, text))
    if missing:
        raise MissingVariables(
            f"The MCP server {name!r} needs {', '.join(missing)}, which the agent's environment variables do not have."
        )
    return _checked(name, config, filled)


def fill_for_listing(name: str, config: McpConfig) -> McpConfig:
    """The same where no agent calls: headers and a token that need one's variables are left out."""
    if isinstance(config, StdioConfig):
        return fill_config(name, config, {})
    headers = {key: value for key, value in (config.custom_headers or {}).items() if not _needs_agent(value)}
    token = None if config.auth_token and _needs_agent(config.auth_token) else config.auth_token
    return fill_config(name, config.model_copy(update={"custom_headers": headers, "auth_token": token}), {})


def _needs_agent(text: str) -> bool:
    return any(place[2] is None for place in _PLACE.finditer(text))


def _map_texts(config: McpConfig, fill: Fill) -> dict[str, Any]:  # Any: values of the config's fields
    if isinstance(config, StdioConfig):
        return {"args": list(map(fill, config.args)), "env": _map_values(config.env, fill)}
    return {
        "server_url": fill(config.server_url),
        "auth_token": fill(config.auth_token) if config.auth_token else config.auth_token,
        "custom_headers": _map_values(config.custom_headers, fill),
    }


def _map_values(texts: Mapping[str, str] | None, fill: Fill) -> dict[str, str] | None:
    return {key: fill(value) for key, value in texts.items()} if texts else None


def _checked(name: str, config: McpConfig, filled: Mapping[str, Any]) -> McpConfig:  # Any: as above
    try:
        return type(config).model_validate({**config.model_dump(), **filled})
    except ValidationError as exc:
        raise ServerFailed(f"The MCP server {name!r} has no usable address once its variables are filled.") from exc
