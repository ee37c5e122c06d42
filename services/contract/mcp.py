"""MCP servers: where agents get tools that others run. https://modelcontextprotocol.io"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, JsonValue, Tag

from services.contract.json_object import JsonObject
from services.contract.tool_returns import ReturnStatus

ServerType = Literal["stdio", "sse", "streamable_http"]
ServerName = Annotated[str, Field(min_length=1)]
ServerUrl = Annotated[str, Field(pattern=r"^(https?://[^/?#]+|\{\{)")]  # it may begin with a variable of the agent


class _Command(BaseModel):
    """A program that speaks MCP over its standard input and output."""

    command: Annotated[str, Field(min_length=1)]
    args: list[str]
    env: dict[str, str] | None = None


class _Endpoint(BaseModel):
    """A server at an address. `auth_token` goes into the header that `auth_header` names (default Authorization)."""

    server_url: ServerUrl
    auth_header: str | None = None
    auth_token: str | None = None
    custom_headers: dict[str, str] | None = None


class StdioConfig(_Command):
    """How to run a server on this machine."""

    mcp_server_type: Literal["stdio"] = "stdio"


class SSEConfig(_Endpoint):
    """How to reach a server that speaks the older transport over server-sent events."""

    mcp_server_type: Literal["sse"] = "sse"


class StreamableHTTPConfig(_Endpoint):
    """How to reach a server over streamable HTTP."""

    mcp_server_type: Literal["streamable_http"] = "streamable_http"


def _type_of(config: object) -> str:
    """The type may be missing: a command tells that the server is run here."""
    if not isinstance(config, dict):
        kind: str = getattr(config, "mcp_server_type", "") or getattr(config, "type", "")
        return kind
    guess = "stdio" if "command" in config else "streamable_http"
    return config.get("mcp_server_type") or config.get("type") or guess


McpConfig = Annotated[
    Annotated[StdioConfig, Tag("stdio")]
    | Annotated[SSEConfig, Tag("sse")]
    | Annotated[StreamableHTTPConfig, Tag("streamable_http")],
    Discriminator(_type_of),
]


class CreateMcpServer(BaseModel):
    """A new server."""

    server_name: ServerName
    config: McpConfig


class McpConfigChange(BaseModel):
    """What changes in how a server is reached: the fields that were sent. `token` is an older name of `auth_token`."""

    mcp_server_type: ServerType | None = None
    command: str | None = None
    args: list[str] | None = None
    env: dict[str, str] | None = None
    server_url: str | None = None
    auth_header: str | None = None
    auth_token: str | None = None
    token: str | None = None
    custom_headers: dict[str, str] | None = None


class UpdateMcpServer(BaseModel):
    """What changes in a server."""

    server_name: ServerName | None = None
    config: McpConfigChange = McpConfigChange()


class StdioMcpServer(StdioConfig):
    """A server that is run on this machine."""

    id: str
    server_name: str


class SSEMcpServer(SSEConfig):
    """A server that speaks the older transport over server-sent events."""

    id: str
    server_name: str


class StreamableHTTPMcpServer(StreamableHTTPConfig):
    """A server that is reached over streamable HTTP."""

    id: str
    server_name: str


McpServer = Annotated[
    Annotated[StdioMcpServer, Tag("stdio")]
    | Annotated[SSEMcpServer, Tag("sse")]
    | Annotated[StreamableHTTPMcpServer, Tag("streamable_http")],
    Discriminator(_type_of),
]


class NamedStdioServer(_Command):
    """A server that is run on this machine, as the older routes show it."""

    server_name: ServerName
    type: Literal["stdio"] = "stdio"


class NamedSSEServer(_Endpoint):
    """A server that speaks the older transport, as the older routes show it."""

    server_name: ServerName
    type: Literal["sse"] = "sse"


class NamedStreamableHTTPServer(_Endpoint):
    """A server that is reached over streamable HTTP, as the older routes show it."""

    server_name: ServerName
    type: Literal["streamable_http"] = "streamable_http"


NamedServer = Annotated[
    Annotated[NamedStdioServer, Tag("stdio")]
    | Annotated[NamedSSEServer, Tag("sse")]
    | Annotated[NamedStreamableHTTPServer, Tag("streamable_http")],
    Discriminator(_type_of),
]


class UpdateNamedServer(McpConfigChange):
    """What changes in a server, as the older routes take it."""

    server_name: ServerName | None = None
    stdio_config: McpConfigChange | None = None


class McpToolHealth(BaseModel):
    """Why a tool cannot be given to agents."""

    status: Literal["INVALID"] = "INVALID"
    reasons: list[str] = []


class McpTool(BaseModel):
    """A tool as its server describes it. `health`: only of one that cannot be given to agents."""

    model_config = ConfigDict(extra="allow", validate_by_name=True)

    name: str
    title: str | None = None
    description: str | None = None
    input_schema: Annotated[JsonObject, Field(alias="inputSchema")]
    output_schema: Annotated[JsonObject | None, Field(alias="outputSchema")] = None
    annotations: JsonObject | None = None
    meta: Annotated[JsonObject | None, Field(alias="_meta")] = None
    health: McpToolHealth | None = None


class Refreshed(BaseModel):
    """The tools that a refresh changed, by name."""

    message: str
    deleted: list[str] = []
    updated: list[str] = []
    added: list[str] = []


class TestedServer(BaseModel):
    """A server that could be reached, and what it offers."""

    status: Literal["success"] = "success"
    tools: list[McpTool]


class ConnectEvent(BaseModel):
    """A step of connecting to a server."""

    event: Literal["connection_attempt", "oauth_required", "authorization_url", "waiting_for_auth", "success", "error"]
    server_name: str
    message: str | None = None
    url: str | None = None
    session_id: str | None = None
    tools: list[McpTool] | None = None


class FinishedAuthorization(BaseModel):
    """What came of an authorization, told to the user's browser."""

    status: ReturnStatus
    message: str
    server_url: str | None = None


class ToolArguments(BaseModel):
    """What to call a tool with."""

    args: JsonObject = {}


class ToolExecutionResult(BaseModel):
    """How a call ended."""

    status: ReturnStatus
    func_return: JsonValue = None
    agent_state: JsonObject | None = None
    stdout: list[str] | None = None
    stderr: list[str] | None = None
    sandbox_config_fingerprint: str | None = None


class ExecutedTool(BaseModel):
    """How a call ended, as the older routes show it."""

    result: str
    success: bool
