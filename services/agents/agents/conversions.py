"""Agents between their public form and the typed one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import ValidationError

from perdure.agents.v1 import agent_pb2, agent_service_pb2
from perdure.conversation.v1.model_pb2 import ModelSettings as TypedSettings
from perdure.conversation.v1.model_pb2 import ToolDefinition
from services.agents.agents.settings import from_typed, to_typed
from services.common.errors import InvalidArgument
from services.common.validation import tell_problems
from services.contract.agents import AgentState, CreateAgent, UpdateAgent
from services.contract.blocks import DEFAULT_BLOCK_LIMIT, Block, CreateBlock
from services.contract.model_settings import ModelSettings

_UPDATED = ("name", "model", "system", "description")


def type_agent(agent: AgentState, tools: Sequence[ToolDefinition]) -> agent_pb2.Agent:
    """The typed form of an agent with these tools."""
    return agent_pb2.Agent(
        id=agent.id,
        name=agent.name,
        agent_type=agent.agent_type,
        description=agent.description or "",
        system=agent.system,
        model=agent.model or "",
        model_settings=to_typed(agent.model_settings, agent.llm_config) if agent.model_settings else None,
        embedding=agent.embedding or "",
        blocks=[_type_block(block) for block in agent.blocks],
        tools=tools,
        tags=agent.tags,
        created_at=_type_time(agent.created_at),
        updated_at=_type_time(agent.updated_at),
    )


def _type_block(block: Block) -> agent_pb2.Block:
    return agent_pb2.Block(
        id=block.id,
        label=block.label or "",
        value=block.value,
        description=block.description or "",
        limit=block.limit,
        read_only=block.read_only,
    )


def _type_time(time: datetime | None) -> Timestamp | None:
    if time is None:
        return None
    typed = Timestamp()
    typed.FromDatetime(time)
    return typed


def read_create(request: agent_service_pb2.CreateAgentRequest) -> CreateAgent:
    """The public form of a request to make an agent. Raises `InvalidArgument`, naming the fields that are wrong."""
    same = ("name", "agent_type", "model", "embedding", "system", "description")
    sent: dict[str, Any] = {name: getattr(request, name) for name in same if getattr(request, name)}
    with _problems_named():
        if request.HasField("model_settings"):
            sent["model_settings"] = _settings(request.model, request.model_settings)
        return CreateAgent(
            **sent,
            memory_blocks=[_create_block(block) for block in request.blocks],
            block_ids=list(request.block_ids),
            tool_ids=list(request.tool_ids),
            tools=list(request.tools),
            tags=list(request.tags),
            include_base_tools=not request.without_base_tools,
        )


def _create_block(block: agent_pb2.Block) -> CreateBlock:
    return CreateBlock(
        label=block.label,
        value=block.value,
        description=block.description or None,
        limit=block.limit or DEFAULT_BLOCK_LIMIT,
        read_only=block.read_only,
    )


def read_update(request: agent_service_pb2.UpdateAgentRequest, model: str) -> UpdateAgent:
    """The public form of a request to change an agent whose model is `model`. Raises `InvalidArgument`."""
    sent: dict[str, Any] = {field.name: value for field, value in request.ListFields() if field.name in _UPDATED}
    with _problems_named():
        if request.HasField("model_settings"):
            sent["model_settings"] = _settings(sent.get("model", model), request.model_settings)
        return UpdateAgent(**sent)


@contextmanager
def _problems_named() -> Iterator[None]:
    try:
        yield
    except ValidationError as exc:
        raise InvalidArgument("; ".join(tell_problems(exc))) from exc


def _settings(handle: str, typed: TypedSettings) -> ModelSettings:
    """The public settings, in the form of the provider that the handle names."""
    return from_typed(typed, handle.partition("/")[0])
