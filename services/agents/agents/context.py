"""What fills the context window of an agent."""

import orjson

from perdure.conversation.v1.message_pb2 import ROLE_SUMMARY, ROLE_SYSTEM
from perdure.conversation.v1.model_pb2 import ToolDefinition
from services.agents.agents.agents import Agents, Stores
from services.agents.agents.history import MessageCounts
from services.agents.agents.stored_form import show_stored
from services.agents.memory.prompt import Prompt
from services.agents.memory.system_prompts import SystemPrompts
from services.common.caller import Caller
from services.common.database import Database
from services.contract.context_window import ContextWindow, FunctionDefinition, FunctionTool
from services.contract.stored_messages import StoredMessage

CHARS_PER_TOKEN = 4  # a rule of thumb for English: https://platform.openai.com/tokenizer


class ContextOverview:
    """Measures contexts and compiles prompts anew."""

    def __init__(self, database: Database, stores: Stores, agents: Agents, prompts: SystemPrompts) -> None:
        self._database = database
        self._stores = stores
        self._agents = agents
        self._prompts = prompts

    async def measure(self, caller: Caller, agent_id: str, conversation_id: str) -> ContextWindow:
        """The parts of a conversation's context, sizes estimated from their characters. Raises `AgentNotFound`.

        `conversation_id` is "conv-<uuid4>", or the agent's id for its own history.
        """
        history = self._stores.history
        async with self._database.begin() as tx:
            agent = await self._agents.find(tx, caller.organization_id, agent_id)
            prompt = await self._prompts.compile_parts(tx, caller.organization_id, agent_id, conversation_id)
            tools = (await self._stores.tools.of_agents(tx, caller.organization_id, [agent_id]))[agent_id]
            window = await history.read_window(tx, caller.organization_id, conversation_id)
            counted = await history.count_messages(tx, caller.organization_id, [conversation_id])
            passages = await self._stores.archives.count_passages(tx, caller.organization_id, agent_id)
        counts = counted.get(conversation_id, MessageCounts(0, 0))
        functions = [_function(tool) for tool in tools]
        summary = "\n\n".join(part.text for one in window if one.role == ROLE_SUMMARY for part in one.parts)
        tokens = {
            **_prompt_tokens(prompt),
            "num_tokens_summary_memory": estimate(summary),
            "num_tokens_functions_definitions": sum(estimate(one.model_dump_json()) for one in functions),
            "num_tokens_messages": sum(
                _size(show_stored(one)) for one in window if one.role not in (ROLE_SYSTEM, ROLE_SUMMARY)
            ),
        }
        return ContextWindow(
            **tokens,
            context_window_size_max=agent.llm_config.context_window,
            context_window_size_current=sum(tokens.values()),
            num_messages=counts.in_window,
            num_archival_memory=passages,
            num_recall_memory=counts.stored,
            external_memory_summary=prompt.memory_metadata,
            system_prompt=prompt.system,
            core_memory=prompt.memory_blocks,
            tool_usage_rules=prompt.tool_usage_rules or None,
            directories=prompt.directories or None,
            summary_memory=summary or None,
            functions_definitions=functions,
            messages=[show_stored(one) for one in window],
        )

    async def recompile(self, caller: Caller, agent_id: str, conversation_id: str, *, dry_run: bool) -> str:
        """The system message of a conversation as it would be now, stored unless `dry_run`.

        `conversation_id` is "conv-<uuid4>", or the agent's id for its own history. Raises `AgentNotFound`.
        """
        async with self._database.begin() as tx:
            await self._agents.find(tx, caller.organization_id, agent_id)
            asked = caller.organization_id, agent_id, conversation_id
            stored = None if dry_run else await self._prompts.refresh(tx, *asked)
            return stored.parts[0].text if stored else await self._prompts.compile_for(tx, *asked)


def _prompt_tokens(prompt: Prompt) -> dict[str, int]:
    return {
        "num_tokens_system": estimate(prompt.system),
        "num_tokens_core_memory": estimate(prompt.memory_blocks),
        "num_tokens_tool_usage_rules": estimate(prompt.tool_usage_rules),
        "num_tokens_directories": estimate(prompt.directories),
        "num_tokens_external_memory_summary": estimate(prompt.memory_metadata),
    }


def estimate(text: str) -> int:
    """About how many tokens a text has."""
    return -(-len(text) // CHARS_PER_TOKEN)


def _size(message: StoredMessage) -> int:
    return estimate(message.model_dump_json(include={"content", "tool_calls", "name"}))


def _function(tool: ToolDefinition) -> FunctionTool:
    parameters = orjson.loads(tool.parameters) if tool.parameters else None
    return FunctionTool(
        function=FunctionDefinition(name=tool.name, description=tool.description or None, parameters=parameters)
    )
