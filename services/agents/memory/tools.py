"""The memory tools of agents, run in the transaction that stores their step."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from perdure.conversation.v1.message_pb2 import TOOL_STATUS_SUCCESS, ToolCall, ToolReturn
from services.agents.archives.embedding import Vectors
from services.agents.archives.tools import ArchivalSearchArguments, ArchivalTools, InsertArguments
from services.agents.folders.tools import FileSearchArguments, FileTools, GrepArguments, OpenArguments
from services.agents.memory import commands
from services.agents.memory.blocks import Store
from services.agents.memory.conversation_search import ConversationSearch, RecallArguments, SearchArguments
from services.agents.memory.system_prompts import SystemPrompts
from services.agents.memory.workbench import CallingAgent, Workbench
from services.common.bodies import NUL_PROBLEM, find_nul
from services.common.database import Transaction
from services.common.errors import InvalidArgument, NotFound
from services.common.validation import tell_problem, tell_problems

Arguments = TypeVar("Arguments", bound=BaseModel)


class UnknownMemoryTool(NotFound):
    """There is no memory tool of this name."""


class BadArguments(InvalidArgument):
    """The arguments of a call do not fit the tool; the message names each."""


class MemoryTools:
    """Runs the tools that work on an agent's own memory and history."""

    def __init__(
        self,
        blocks: Store,
        prompts: SystemPrompts,
        search: ConversationSearch,
        archival: ArchivalTools,
        files: FileTools,
    ) -> None:
        self._blocks = blocks
        self._prompts = prompts
        self._search = search
        self._archival = archival
        self._files = files

    def changes_prompt(self, name: str) -> bool:
        """Whether calls of this tool change what the system message shows."""
        return name in commands.COMMANDS or name == "open_files"

    async def run(self, tx: Transaction, agent: CallingAgent, call: ToolCall, vectors: Vectors) -> ToolReturn:
        """What a call gives. Raises a `PerdureError` for what cannot be done; its words are for the model.

        Raises `VectorsMissing` where the call needs others than those known.
        """
        value = await self._run(tx, agent, call, vectors)
        return ToolReturn(call_id=call.id, name=call.name, status=TOOL_STATUS_SUCCESS, value=value, executed=True)

    async def _run(self, tx: Transaction, agent: CallingAgent, call: ToolCall, vectors: Vectors) -> str:
        match call.name:
            case "conversation_search":
                sent = read_arguments(SearchArguments, call)
                return await self._search.run(tx, agent.organization_id, agent.agent_id, sent)
            case "search_memory":
                recalled = read_arguments(RecallArguments, call)
                return await self._search.recall(tx, agent.organization_id, agent.agent_id, recalled)
            case "archival_memory_insert":
                return await self._archival.insert(tx, agent, read_arguments(InsertArguments, call), vectors)
            case "archival_memory_search":
                return await self._archival.search(tx, agent, read_arguments(ArchivalSearchArguments, call), vectors)
            case "open_files":
                return await self._files.open(tx, agent, read_arguments(OpenArguments, call))
            case "grep_files":
                return await self._files.grep(tx, agent, read_arguments(GrepArguments, call))
            case "semantic_search_files":
                return await self._files.search(tx, agent, read_arguments(FileSearchArguments, call), vectors)
        if call.name not in commands.COMMANDS:
            raise UnknownMemoryTool(f"There is no memory tool {call.name}.")
        command = read_arguments(commands.COMMANDS[call.name], call)
        return await command.run(Workbench(tx, agent, self._blocks, self._prompts))


def read_arguments(model: type[Arguments], call: ToolCall) -> Arguments:
    """The arguments of a call. Raises `BadArguments`."""
    sent = call.arguments or "{}"
    try:
        read = model.model_validate_json(sent)
    except ValidationError as exc:
        raise BadArguments("; ".join(tell_problems(exc))) from exc
    if places := list(find_nul(from_json(sent))):
        raise BadArguments("; ".join(tell_problem(place, NUL_PROBLEM) for place in places))
    return read
