"""All REST operations of tools, on one object."""

from services.tools.execution import Execution
from services.tools.generation.generation import Generation
from services.tools.generation.rest import GenerationRest
from services.tools.mcp.calls import McpCalls
from services.tools.mcp.oauth.authorizing import Authorizing
from services.tools.mcp.registration import Registration
from services.tools.mcp.rest.connecting import Connecting
from services.tools.mcp.rest.named_servers import NamedMcpRest
from services.tools.mcp.rest.oauth import McpOAuthRest
from services.tools.mcp.rest.servers import McpRest
from services.tools.mcp.servers import McpServers
from services.tools.registry import Registry
from services.tools.rest import ToolRest
from services.tools.sandbox_configs.configs import SandboxConfigs
from services.tools.sandbox_configs.rest import SandboxConfigRest


class ToolOperations(ToolRest, McpRest, NamedMcpRest, McpOAuthRest, SandboxConfigRest, GenerationRest):
    """The operations that the files `*_rest.proto` list."""

    def __init__(
        self,
        registry: Registry,
        execution: Execution,
        *,
        servers: McpServers,
        registration: Registration,
        calls: McpCalls,
        authorizing: Authorizing,
        configs: SandboxConfigs,
        generation: Generation,
    ) -> None:
        ToolRest.__init__(self, registry, execution)
        McpRest.__init__(self, servers, registration, execution, Connecting(authorizing))
        NamedMcpRest.__init__(self, servers, calls, Connecting(authorizing))
        McpOAuthRest.__init__(self, authorizing)
        SandboxConfigRest.__init__(self, configs)
        GenerationRest.__init__(self, generation)
