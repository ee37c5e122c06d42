"""New agents: what a request becomes, before anything is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from perdure.conversation.v1.model_pb2 import ToolDefinition
from services.agents.agents import agent_types, model_config
from services.agents.agents.approval_rules import follow_defaults
from services.agents.agents.catalogs import Models, Tools, ToolsNotFound
from services.agents.agents.compaction import complete_settings
from services.agents.agents.names import friendly_name
from services.agents.memory.blocks import make_block
from services.common import ids
from services.common.caller import Caller
from services.common.errors import InvalidArgument, Unprocessable
from services.contract.agents import AgentFields, AgentState, CreateAgent
from services.contract.archives import CreateArchive
from services.contract.blocks import Block, Memory
from services.contract.folders import CreateFolder
from services.contract.model_configs import EmbeddingConfig, LlmConfig
from services.contract.tool_rules import ToolRule

MAX_FILES_OPEN = 10  # files of an agent's folders shown at once
FILE_VIEW_CHARS = 25_000  # characters of each


@dataclass(frozen=True)
class NewAgent:
    """An agent to store: `state` without relations, its own new blocks, its tools."""

    state: AgentState
    blocks: Sequence[Block]
    tools: Sequence[ToolDefinition]


class Creation:
    """Makes agents out of requests, with what other services know of models and tools."""

    def __init__(self, models: Models, tools: Tools) -> None:
        self._models = models
        self._tools = tools

    async def prepare(self, caller: Caller, request: CreateAgent) -> NewAgent:
        """The agent. Raises what `choose_model`, `choose_embedding`, `choose_tools` and `make_block` raise."""
        _check(request)
        config = await self.choose_model(caller, request, request)
        tools = await self.choose_tools(caller, request.tool_ids or [], _tool_names(request))
        embedding = await self.choose_embedding(caller, request)
        if embedding is not None and request.embedding_chunk_size:
            embedding = embedding.model_copy(update={"embedding_chunk_size": request.embedding_chunk_size})
        state = _state(caller, request, config, embedding)
        rules = distinct_rules([*(request.tool_rules or []), *_base_rules(request, tools)])
        state.tool_rules = follow_defaults(rules, tools)
        return NewAgent(state, _blocks(request), tools)

    async def choose_model(self, caller: Caller, request: AgentFields, like: CreateAgent | AgentState) -> LlmConfig:
        """The configuration of the model that a request names, for an agent of the type of `like`.

        Raises `InvalidArgument` where it names none, and what `Models.resolve` raises.
        """
        if request.llm_config is not None:
            given = request.llm_config
            handle = given.handle or f"{given.provider_name or given.model_endpoint_type}/{given.model}"
            return model_config.reconfigure(given.model_copy(update={"handle": handle}), request)
        if not request.model:
            raise InvalidArgument("The request names no model: set `model` to a handle such as 'openai/gpt-4o'.")
        resolved = await self._models.resolve(caller.organization_id, request.model)
        return model_config.configure(resolved, like.agent_type, request)

    async def choose_embedding(
        self, caller: Caller, request: AgentFields | CreateArchive | CreateFolder
    ) -> EmbeddingConfig | None:
        """The embedding model that a request names. Raises `UnknownEmbedding`."""
        if request.embedding_config is not None:
            given = request.embedding_config
            handle = given.handle or f"{given.embedding_endpoint_type}/{given.embedding_model}"
            return given.model_copy(update={"handle": handle})
        if not request.embedding:
            return None
        return await self._models.resolve_embedding(caller.organization_id, request.embedding)

    async def choose_tools(
        self, caller: Caller, tool_ids: Sequence[str], names: Sequence[str]
    ) -> Sequence[ToolDefinition]:
        """The tools that a request names. Raises `InvalidArgument` for unknown ones."""
        if not tool_ids and not names:
            return []
        try:
            return await self._tools.describe(caller.organization_id, tool_ids, names)
        except ToolsNotFound as exc:
            raise InvalidArgument(exc.detail, metadata=exc.metadata) from exc


def distinct_rules(rules: Sequence[ToolRule]) -> list[ToolRule]:
    """The rules without those that say exactly what an earlier one says."""
    return list({rule.model_dump_json(): rule for rule in rules}.values())


def chosen_folders(request: AgentFields) -> list[str] | None:
    """The folders that a request names, under either name; None where it says nothing of folders."""
    if request.folder_ids is None and request.source_ids is None:
        return None
    return list(dict.fromkeys([*(request.folder_ids or []), *(request.source_ids or [])]))


def check_timezone(name: str) -> None:
    """Raises `InvalidArgument` for a name that is not in the IANA time zone database."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as exc:
        raise InvalidArgument(f"There is no time zone {name!r}. Write one as 'Europe/Paris' or 'UTC'.") from exc


def _check(request: CreateAgent) -> None:
    if request.agent_type in agent_types.SLEEPTIME_TYPES and not request.enable_sleeptime:
        message = f"Agents of type {request.agent_type} need enable_sleeptime to be true."
        raise Unprocessable([{"type": "value_error", "loc": ["body", "enable_sleeptime"], "msg": message}])
    check_timezone(request.timezone or "UTC")


def _tool_names(request: CreateAgent) -> list[str]:
    names = list(request.tools or [])
    if request.include_base_tools:
        names += agent_types.base_tools(request.agent_type)
    if chosen_folders(request):
        names += agent_types.FILE_TOOLS
    if request.include_multi_agent_tools:
        names += agent_types.MULTI_AGENT_TOOLS
    return list(dict.fromkeys(names))


def _base_rules(request: CreateAgent, tools: Sequence[ToolDefinition]) -> list[ToolRule]:
    wanted = request.include_base_tool_rules
    if wanted is None:  # a v1 agent with its own tools ends its turns by itself
        wanted = not (request.agent_type == "letta_v1_agent" and request.include_base_tools)
    return agent_types.base_rules([tool.name for tool in tools]) if wanted else []


def _blocks(request: CreateAgent) -> list[Block]:
    """The new blocks; of two with one label, the first."""
    first = {block.label: block for block in reversed(request.memory_blocks or [])}
    return [make_block(block) for block in request.memory_blocks or [] if block is first[block.label]]


def _state(caller: Caller, request: CreateAgent, config: LlmConfig, embedding: EmbeddingConfig | None) -> AgentState:
    now = datetime.now(UTC)
    return AgentState(
        **request.model_dump(include=_TAKEN_OVER),
        id=ids.new_id("agent"),
        created_by_id=caller.user_id,
        last_updated_by_id=caller.user_id,
        created_at=now,
        updated_at=now,
        name=request.name or friendly_name(),
        agent_type=request.agent_type,
        system=agent_types.default_prompt(request.agent_type) if request.system is None else request.system,
        llm_config=config,
        model=config.handle,
        model_settings=model_config.settings_of(config, request.model_settings, parallel=request.parallel_tool_calls),
        embedding_config=embedding,
        embedding=embedding.handle if embedding else None,
        compaction_settings=complete_settings(request.compaction_settings, config),
        response_format=config.response_format,
        timezone=request.timezone or "UTC",
        max_files_open=request.max_files_open or MAX_FILES_OPEN,
        per_file_view_window_char_limit=request.per_file_view_window_char_limit or FILE_VIEW_CHARS,
        message_buffer_autoclear=request.message_buffer_autoclear or request.agent_type == "workflow_agent",
        memory=Memory(agent_type=request.agent_type, blocks=[]),
        blocks=[],
        tools=[],
        sources=[],
        tags=[],
    )


_TAKEN_OVER = {
    "description",
    "metadata",
    "enable_sleeptime",
    "hidden",
    "project_id",
    "template_id",
    "base_template_id",
}
