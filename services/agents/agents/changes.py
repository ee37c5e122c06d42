"""Changes of agents: what a request changes in the agent itself, and what belongs to it."""

from collections.abc import Sequence
from typing import Any

from perdure.conversation.v1.model_pb2 import ToolDefinition
from services.agents.agents import model_config, relations
from services.agents.agents.agent_types import FILE_TOOLS
from services.agents.agents.agents import Agents, Stores
from services.agents.agents.approval_rules import follow_defaults
from services.agents.agents.compaction import complete_settings, follow_model
from services.agents.agents.creation import Creation, check_timezone, chosen_folders, distinct_rules
from services.agents.agents.relations import Relations
from services.agents.memory.blocks import find_blocks
from services.agents.memory.system_prompts import SystemPrompts
from services.common.caller import Caller
from services.common.database import Database, Transaction
from services.contract.agents import AgentState, UpdateAgent
from services.contract.model_configs import LlmConfig
from services.contract.tool_rules import ToolRule

_AS_SENT = {
    "name",
    "description",
    "system",
    "metadata",
    "timezone",
    "max_files_open",
    "per_file_view_window_char_limit",
    "message_buffer_autoclear",
    "enable_sleeptime",
    "hidden",
    "project_id",
    "template_id",
    "base_template_id",
    "last_run_completion",
    "last_run_duration_ms",
    "last_stop_reason",
}
_OF_MODEL = {
    "model",
    "llm_config",
    "model_settings",
    "context_window_limit",
    "max_tokens",
    "reasoning",
    "parallel_tool_calls",
    "response_format",
}
_OF_FOLDERS = {"folder_ids", "source_ids", "max_files_open", "per_file_view_window_char_limit"}
_IN_PROMPT = {"system", "tool_rules", "tool_ids", "timezone", "model", "llm_config", "block_ids", *_OF_FOLDERS}


class AgentChanges:
    """Changes agents. What a request leaves out or sets to null stays."""

    def __init__(
        self,
        database: Database,
        stores: Stores,
        agents: Agents,
        relations: Relations,
        creation: Creation,
        prompts: SystemPrompts,
    ) -> None:
        self._database = database
        self._stores = stores
        self._agents = agents
        self._relations = relations
        self._creation = creation
        self._prompts = prompts

    async def update(self, caller: Caller, agent_id: str, request: UpdateAgent) -> AgentState:
        """The agent after the change, its relations filled.

        Raises `AgentNotFound`, `BlockNotFound`, `FolderNotFound`, and what the choices of `Creation` raise.
        """
        async with self._database.begin() as tx:
            before = await self._agents.find(tx, caller.organization_id, agent_id)
        sent = {name for name in request.model_fields_set if getattr(request, name) is not None}
        tools = await self._creation.choose_tools(caller, request.tool_ids or [], [])
        file_tools = await self._creation.choose_tools(caller, [], FILE_TOOLS if chosen_folders(request) else [])
        values = await self._values(caller, before, request, sent)
        async with self._database.begin() as tx:
            if request.message_ids is not None:  # locks the conversation, which comes before the agent everywhere
                await self._stores.history.set_own_window(tx, caller.organization_id, agent_id, request.message_ids)
            await self._stores.folders.lock(tx, caller.organization_id, chosen_folders(request) or [])
            agent = await self._agents.find(tx, caller.organization_id, agent_id, lock=True)
            values["last_updated_by_id"] = caller.user_id
            if request.tool_ids is not None:
                given = await self._replace_tools(tx, caller, agent_id, tools)
                rules = request.tool_rules if request.tool_rules is not None else agent.tool_rules
                values["tool_rules"] = _dump(follow_defaults(rules or [], given))
            await self._stores.agents.change(tx, caller.organization_id, agent_id, values)
            await self._change_relations(tx, caller, agent_id, request)
            if sent & _OF_FOLDERS:
                await self._change_folders(tx, caller, agent_id, chosen_folders(request), file_tools)
            if sent & _IN_PROMPT:
                await self._prompts.refresh_own(tx, caller.organization_id, [agent_id])
            loaded = await self._agents.load(tx, caller, agent_id, relations.ALL)
        [agent] = await self._relations.show_tools(caller.organization_id, loaded)
        return agent

    async def _values(
        self, caller: Caller, before: AgentState, request: UpdateAgent, sent: set[str]
    ) -> dict[str, Any]:  # Any: values of every field of AgentState
        """The new values of the agent's own fields."""
        values = request.model_dump(include=sent & _AS_SENT)
        if request.timezone is not None:
            check_timezone(request.timezone)
        if request.tool_rules is not None:
            values["tool_rules"] = _dump(request.tool_rules)
        config = before.llm_config
        if sent & _OF_MODEL:
            config = await self._new_config(caller, before, request)
            values |= _model_values(before, request, config)
        if request.compaction_settings is not None:
            values["compaction_settings"] = complete_settings(request.compaction_settings, config).model_dump()
        embedding = await self._creation.choose_embedding(caller, request)
        if embedding is not None:
            values |= {"embedding": embedding.handle, "embedding_config": embedding.model_dump()}
        return values

    async def _new_config(self, caller: Caller, before: AgentState, request: UpdateAgent) -> LlmConfig:
        if request.model is not None or request.llm_config is not None:
            return await self._creation.choose_model(caller, request, before)
        return model_config.reconfigure(before.llm_config, request)

    async def _change_relations(self, tx: Transaction, caller: Caller, agent_id: str, request: UpdateAgent) -> None:
        organization_id = caller.organization_id
        if request.block_ids is not None:
            await self._replace_blocks(tx, organization_id, agent_id, request.block_ids)
        if request.tags is not None:
            await self._stores.tags.replace(tx, organization_id, agent_id, request.tags)
        variables = request.secrets if request.secrets is not None else request.tool_exec_environment_variables
        if variables is not None:
            await self._stores.variables.replace(tx, organization_id, agent_id, variables)

    async def _change_folders(
        self,
        tx: Transaction,
        caller: Caller,
        agent_id: str,
        folder_ids: Sequence[str] | None,
        file_tools: Sequence[ToolDefinition],
    ) -> None:
        """Gives the agent exactly these folders, None for those that it has, and applies its limits on open files."""
        organization_id = caller.organization_id
        agent = await self._agents.find(tx, organization_id, agent_id)
        if folder_ids is not None:
            await self._stores.folders.replace(tx, organization_id, agent, folder_ids)
            await self._agents.give_tools(tx, caller, agent, file_tools)
        await self._stores.folders.fit(tx, organization_id, agent)

    async def _replace_tools(
        self, tx: Transaction, caller: Caller, agent_id: str, tools: Sequence[ToolDefinition]
    ) -> list[ToolDefinition]:
        """Gives the agent exactly these tools; those that are new to it."""
        await self._stores.tools.detach_others(tx, caller.organization_id, agent_id, [tool.id for tool in tools])
        return await self._stores.tools.attach(tx, caller.organization_id, agent_id, tools)

    async def _replace_blocks(self, tx: Transaction, organization_id: str, agent_id: str, block_ids: list[str]) -> None:
        wanted = await find_blocks(self._stores.blocks, tx, organization_id, block_ids)
        present = {
            stored.block.id
            for stored in (await self._stores.blocks.of_agents(tx, organization_id, [agent_id]))[agent_id]
        }
        for block_id in present.difference(block_ids):
            await self._stores.blocks.detach(tx, organization_id, agent_id, block_id)
        new = [stored.block for stored in wanted if stored.block.id not in present]
        await self._stores.blocks.attach(tx, organization_id, agent_id, new)


def _dump(rules: Sequence[ToolRule]) -> list[dict[str, Any]]:
    return [rule.model_dump() for rule in distinct_rules(rules)]


def _model_values(before: AgentState, request: UpdateAgent, config: LlmConfig) -> dict[str, Any]:
    """The columns that say which model the agent has, and how it is asked."""
    asked = request.model_settings
    if asked is None and config.handle == before.llm_config.handle:
        asked = before.model_settings
    settings = model_config.settings_of(config, asked, parallel=request.parallel_tool_calls)
    values: dict[str, Any] = {
        "model": config.handle,
        "llm_config": config.model_dump(),
        "model_settings": settings.model_dump(),
        "response_format": config.response_format.model_dump() if config.response_format else None,
    }
    if before.compaction_settings is not None and request.compaction_settings is None:
        followed = follow_model(before.compaction_settings, before.llm_config, config)
        values["compaction_settings"] = followed.model_dump()
    return values
