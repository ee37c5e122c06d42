"""The tools that come with the server."""

from services.tools.builtin.agent_tools import AGENT_TOOLS
from services.tools.builtin.base_tool import BaseTool, text
from services.tools.builtin.block_tools import BLOCK_TOOLS
from services.tools.builtin.code_tools import CODE_TOOLS
from services.tools.builtin.file_tools import FILE_TOOLS
from services.tools.builtin.recall_tools import RECALL_TOOLS
from services.tools.builtin.web_tools import WEB_TOOLS

SEND_MESSAGE = "send_message"

_SEND_MESSAGE = BaseTool(
    name=SEND_MESSAGE,
    tool_type="letta_core",
    description="Says something to the user. This is the only way to reach them: they see nothing else of what you do.",
    parameters={"message": text("What to say.")},
)

BASE_TOOLS = {
    tool.name: tool
    for tool in (_SEND_MESSAGE, *RECALL_TOOLS, *BLOCK_TOOLS, *FILE_TOOLS, *AGENT_TOOLS, *WEB_TOOLS, *CODE_TOOLS)
}


def _names(*tools: BaseTool) -> frozenset[str]:
    return frozenset(tool.name for tool in tools)


MEMORY_TOOL_NAMES = _names(*RECALL_TOOLS, *BLOCK_TOOLS, *FILE_TOOLS)  # in the agents service, as part of the step
AGENT_TOOL_NAMES = _names(*AGENT_TOOLS)  # in the runs service, as runs of other agents
REPEATABLE_TOOL_NAMES = _names(_SEND_MESSAGE, *AGENT_TOOLS, *WEB_TOOLS)  # a call that is made twice does no harm
