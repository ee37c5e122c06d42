"""The agents service: `python -m services.agents`."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import cast

import grpc

from perdure.agents.v1 import agent_service_pb2, rest_pb2, turn_service_pb2
from perdure.agents.v1.agent_service_pb2_grpc import AgentServiceServicer, add_AgentServiceServicer_to_server
from perdure.agents.v1.turn_service_pb2_grpc import add_TurnServiceServicer_to_server
from services.agents.agents.agents import Agents, Stores
from services.agents.agents.catalogs import Models, Tools
from services.agents.agents.changes import AgentChanges
from services.agents.agents.context import ContextOverview
from services.agents.agents.creation import Creation
from services.agents.agents.relations import Relations
from services.agents.agents.rest import AgentOperations
from services.agents.agents.servicer import AgentServicer
from services.agents.agents.store import PostgresAgents
from services.agents.clients import RegisteredTools, RouterModels
from services.agents.combined import Combined
from services.agents.config import Config
from services.agents.conversations.conversations import Conversations
from services.agents.conversations.history import PostgresHistory
from services.agents.conversations.rest import ConversationOperations
from services.agents.conversations.servicer import ConversationServicer
from services.agents.conversations.store import PostgresConversations
from services.agents.equipment.equipment import Equipment
from services.agents.equipment.store import PostgresAgentTools
from services.agents.health.rest import HealthOperations
from services.agents.memory.blocks import Blocks
from services.agents.memory.conversation_search import ConversationSearch
from services.agents.memory.core_memory import CoreMemory
from services.agents.memory.rest import BlockOperations, CoreMemoryOperations
from services.agents.memory.store import PostgresBlocks
from services.agents.memory.system_prompts import SystemPrompts
from services.agents.memory.tools import MemoryTools
from services.agents.messages.messages import Messages
from services.agents.messages.rest import MessageOperations
from services.agents.messages.servicer import MessageServicer
from services.agents.messages.store import PostgresMessages
from services.agents.tags.rest import TagOperations
from services.agents.tags.store import PostgresTags
from services.agents.tags.tags import Tags
from services.agents.turns.begin import TurnStarter
from services.agents.turns.commit import StepCommitter
from services.agents.turns.end import TurnEnder
from services.agents.turns.memory_calls import MemoryCalls
from services.agents.turns.servicer import TurnServicer
from services.agents.turns.store import PostgresTurns
from services.agents.variables.store import PostgresVariables
from services.common import server
from services.common.channels import open_channel
from services.common.config import Environment
from services.common.database import Database, open_engine
from services.common.rest import rest_handlers
from services.common.secrets import SecretBox

AddServices = Callable[[grpc.aio.Server], Iterable[str]]


async def main() -> None:
    """Serves until told to stop."""
    config = Config.read(Environment.current())
    engine = open_engine(config.database_url)
    router, tools = open_channel(config.addresses.llm_router), open_channel(config.addresses.tools)
    add_services = wire(Database(engine), config.secrets, RouterModels(router), RegisteredTools(tools))
    try:
        await server.serve(config.addresses.listen, add_services)
    finally:
        await router.close()
        await tools.close()
        await engine.dispose()


def wire(database: Database, secrets: SecretBox, models: Models, tools: Tools) -> AddServices:
    """What adds everything that this service serves to a server."""
    stored_messages, stored_agents, blocks, tags = (
        PostgresMessages(),
        PostgresAgents(),
        PostgresBlocks(),
        PostgresTags(),
    )
    history = PostgresHistory(stored_messages)
    stores = Stores(
        agents=stored_agents,
        blocks=blocks,
        tools=PostgresAgentTools(),
        tags=tags,
        variables=PostgresVariables(secrets),
        history=history,
    )
    prompts = SystemPrompts(stored_agents, blocks, history)
    relations, creation = Relations(stores, tools), Creation(models, tools)
    agents = Agents(database, stores, relations, creation, prompts)
    changes = AgentChanges(database, stores, agents, relations, creation, prompts)
    equipment = Equipment(database, stores, agents, relations, tools)
    own_blocks = Blocks(database, blocks, prompts)
    messages, conversations = (
        Messages(stored_messages),
        Conversations(database, PostgresConversations(), blocks, models),
    )
    rest = Combined(
        HealthOperations(database),
        AgentOperations(agents, changes, equipment, ContextOverview(database, stores, agents, prompts)),
        CoreMemoryOperations(CoreMemory(database, blocks, agents, own_blocks, prompts)),
        BlockOperations(own_blocks, agents),
        TagOperations(Tags(database, tags)),
        ConversationOperations(conversations),
        MessageOperations(database, messages, conversations, agents),
    )
    typed = Combined(
        AgentServicer(agents, changes, equipment),
        ConversationServicer(conversations),
        MessageServicer(database, messages),
    )
    memory = MemoryCalls(MemoryTools(blocks, prompts, ConversationSearch(history)), prompts, history)
    return _adding(rest, typed, _turns(database, secrets, messages, prompts, memory))


def _turns(
    database: Database, secrets: SecretBox, messages: Messages, prompts: SystemPrompts, memory: MemoryCalls
) -> TurnServicer:
    store = PostgresTurns()
    return TurnServicer(
        TurnStarter(database, store, messages, prompts, decrypt=secrets.decrypt, now=_now),
        StepCommitter(database, store, messages, memory, now=_now),
        TurnEnder(database, store, messages, now=_now),
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _adding(rest: Combined, typed: Combined, turns: TurnServicer) -> AddServices:
    def add_services(grpc_server: grpc.aio.Server) -> Iterable[str]:
        services = [
            rest_pb2.DESCRIPTOR.services_by_name["AgentRest"],
            agent_service_pb2.DESCRIPTOR.services_by_name["AgentService"],
            turn_service_pb2.DESCRIPTOR.services_by_name["TurnService"],
        ]
        grpc_server.add_generic_rpc_handlers([rest_handlers(services[0], rest)])
        add_AgentServiceServicer_to_server(cast(AgentServiceServicer, typed), grpc_server)  # its parts have its methods
        add_TurnServiceServicer_to_server(turns, grpc_server)
        return [service.full_name for service in services]

    return add_services


if __name__ == "__main__":
    server.run(main())
