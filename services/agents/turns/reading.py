"""The agent of a turn, out of stored columns."""

from collections.abc import Callable

import orjson

from perdure.conversation.v1.model_pb2 import ToolDefinition
from services.agents.agents.model_config import reconfigure, settings_of
from services.agents.agents.settings import any_settings, to_typed
from services.agents.turns.turn import TurnAgent
from services.agents.turns.turn_store import LockedConversation
from services.contract.agents import AgentFields
from services.contract.model_configs import LlmConfig

Decrypt = Callable[[str], str]  # a secret as stored to its text


def read_agent(stored: LockedConversation) -> TurnAgent:
    """The agent, with the conversation's own model and settings where it has them."""
    config = LlmConfig.model_validate(stored.own_llm_config or stored.llm_config)
    settings = any_settings.validate_python(stored.own_model_settings or stored.model_settings)
    if stored.own_model_settings:
        config = reconfigure(config, AgentFields(model_settings=settings))
    if stored.own_llm_config:
        settings = settings_of(config, settings if stored.own_model_settings else None)
    return TurnAgent(
        id=stored.agent_id,
        name=stored.name,
        agent_type=stored.agent_type,
        model=stored.own_model or stored.model,
        settings=to_typed(settings, config),
        context_window=config.context_window,
        tool_rules=orjson.dumps(stored.tool_rules).decode(),
        thinks_aloud=bool(config.put_inner_thoughts_in_kwargs),
    )


def read_tools(stored: LockedConversation) -> list[ToolDefinition]:
    """The agent's tools, in its order. They need approval where a rule says so, or by default where none is waived."""
    asked_for = {rule["tool_name"] for rule in stored.tool_rules if rule["type"] == "requires_approval"}
    tools = [ToolDefinition.FromString(definition) for definition in stored.tools]
    for tool in tools:
        by_default = tool.requires_approval and tool.id not in stored.waived_tool_ids
        tool.requires_approval = by_default or tool.name in asked_for
    return tools


def read_environment(stored: LockedConversation, decrypt: Decrypt) -> dict[str, str]:
    """The variables of the agent's tools, in plain text."""
    return {name: decrypt(value) for name, value in (stored.variables or {}).items()}
