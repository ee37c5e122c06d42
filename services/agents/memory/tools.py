"""The memory tools of agents, run in the transaction that stores their step."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from perdure.conversation.v1.message_pb2 import TOOL_STATUS_SUCCESS, ToolCall, ToolReturn
from services.agents.memory import edits
from services.agents.memory.blocks import BlockChange, Store, StoredBlock, check_length
from services.agents.memory.conversation_search import ConversationSearch, SearchArguments
from services.agents.memory.system_prompts import SystemPrompts
from services.common.database import Transaction
from services.common.errors import InvalidArgument, NotFound, PermissionDenied

Arguments = TypeVar("Arguments", bound=BaseModel)


class UnknownMemoryTool(NotFound):
    """There is no memory tool of this name."""


class BadArguments(InvalidArgument):
    """The arguments of a call do not fit the tool; the message names each."""


class UnknownLabel(NotFound):
    """The agent sees no block with this label."""


class ReadOnlyBlock(PermissionDenied):
    """Agents cannot change the block."""


class InsertArguments(BaseModel):
    """Of memory_insert."""

    label: str
    new_string: str
    insert_line: int = -1


class ReplaceArguments(BaseModel):
    """Of memory_replace."""

    label: str
    old_string: str
    new_string: str


class RethinkArguments(BaseModel):
    """Of memory_rethink."""

    label: str
    new_memory: str


class CoreAppendArguments(BaseModel):
    """Of core_memory_append."""

    label: str
    content: str


class CoreReplaceArguments(BaseModel):
    """Of core_memory_replace."""

    label: str
    old_content: str
    new_content: str


@dataclass(frozen=True)
class CallingAgent:
    """Who calls, and in which conversation: "conv-<uuid4>", or the agent's id for its own history."""

    organization_id: str
    agent_id: str
    conversation_id: str


Tool = Callable[[Transaction, CallingAgent, ToolCall], Awaitable[str]]
Edit = Callable[[str, Any], str]  # the value and the tool's arguments to the new value


class MemoryTools:
    """Runs the tools that work on an agent's own memory and history."""

    def __init__(self, blocks: Store, prompts: SystemPrompts, search: ConversationSearch) -> None:
        self._blocks = blocks
        self._prompts = prompts
        self._search = search
        self._editing: dict[str, Tool] = {
            "memory_insert": self._editor(
                InsertArguments, lambda value, sent: edits.insert_lines(value, sent.new_string, sent.insert_line)
            ),
            "memory_replace": self._editor(
                ReplaceArguments, lambda value, sent: edits.replace_once(value, sent.old_string, sent.new_string)
            ),
            "memory_rethink": self._editor(RethinkArguments, lambda _, sent: sent.new_memory),
            "core_memory_append": self._editor(
                CoreAppendArguments, lambda value, sent: edits.append_line(value, sent.content)
            ),
            "core_memory_replace": self._editor(
                CoreReplaceArguments, lambda value, sent: edits.replace_all(value, sent.old_content, sent.new_content)
            ),
        }
        self._tools: dict[str, Tool] = {**self._editing, "conversation_search": self._conversation_search}

    def changes_prompt(self, name: str) -> bool:
        """Whether calls of this tool change what the system message shows."""
        return name in self._editing

    async def run(
        self, tx: Transaction, *, organization_id: str, agent_id: str, conversation_id: str, call: ToolCall
    ) -> ToolReturn:
        """What a call gives. Raises a `PerdureError` for what cannot be done; its words are for the model."""
        tool = self._tools.get(call.name)
        if tool is None:
            raise UnknownMemoryTool(f"There is no memory tool {call.name}.")
        value = await tool(tx, CallingAgent(organization_id, agent_id, conversation_id), call)
        return ToolReturn(call_id=call.id, name=call.name, status=TOOL_STATUS_SUCCESS, value=value, executed=True)

    def _editor(self, arguments: type[Arguments], edit: Edit) -> Tool:
        """The tool that edits the block which its arguments name, and returns the new value."""

        async def run(tx: Transaction, agent: CallingAgent, call: ToolCall) -> str:
            sent = read_arguments(arguments, call)
            stored = await self._find(tx, agent, sent.model_dump()["label"])
            value = edit(stored.block.value, sent)
            check_length(stored.block.model_copy(update={"value": value}))
            change = BlockChange({"value": value}, by=agent.agent_id)
            await self._blocks.change(tx, agent.organization_id, stored.block.id, change, version=stored.version)
            await self._tell_others(tx, agent, stored.block.id)
            return value

        return run

    async def _tell_others(self, tx: Transaction, agent: CallingAgent, block_id: str) -> None:
        """Renews the prompts that show the block, but not that of the present conversation: its turn does that."""
        sharing = set(await self._blocks.agents_of(tx, block_id)) - {agent.conversation_id}
        await self._prompts.refresh_own(tx, sorted(sharing))

    async def _find(self, tx: Transaction, agent: CallingAgent, label: str) -> StoredBlock:
        """The block that the agent sees under a label, for a change."""
        visible = await self._prompts.visible_blocks(tx, agent.organization_id, agent.agent_id, agent.conversation_id)
        by_label = {stored.block.label: stored for stored in visible}
        if label not in by_label:
            known = ", ".join(str(name) for name in by_label) or "none"
            raise UnknownLabel(f"There is no block with the label {label!r}. Labels: {known}.")
        if by_label[label].block.read_only:
            raise ReadOnlyBlock(f"Block {label!r} is read-only.")
        return by_label[label]

    async def _conversation_search(self, tx: Transaction, agent: CallingAgent, call: ToolCall) -> str:
        sent = read_arguments(SearchArguments, call)
        return await self._search.run(tx, agent.organization_id, agent.agent_id, sent)


def read_arguments(model: type[Arguments], call: ToolCall) -> Arguments:
    """The arguments of a call. Raises `BadArguments`."""
    try:
        return model.model_validate_json(call.arguments or "{}")
    except ValidationError as exc:
        problems = [f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg']}" for one in exc.errors()]
        raise BadArguments("; ".join(problems)) from exc
