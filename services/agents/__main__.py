"""The agents service: `python -m services.agents`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import cast

import grpc

from perdure.agents.v1 import (
    agent_rest_pb2,
    agent_service_pb2,
    archive_rest_pb2,
    conversation_rest_pb2,
    folder_rest_pb2,
    memory_rest_pb2,
    turn_service_pb2,
)
from perdure.agents.v1.agent_service_pb2_grpc import AgentServiceServicer, add_AgentServiceServicer_to_server
from perdure.agents.v1.turn_service_pb2_grpc import add_TurnServiceServicer_to_server
from services.agents.agents.agents import Agents, Stores
from services.agents.agents.changes import AgentChanges
from services.agents.agents.context import ContextOverview
from services.agents.agents.creation import Creation
from services.agents.agents.relations import Relations
from services.agents.agents.rest import AgentOperations
from services.agents.agents.servicer import AgentServicer
from services.agents.agents.store import PostgresAgents
from services.agents.archives.archival_memory import ArchivalMemory
from services.agents.archives.archives import Archives
from services.agents.archives.clients import RouterEmbedder
from services.agents.archives.embedding import Embedding
from services.agents.archives.library import Library
from services.agents.archives.rest import ArchiveOperations, PassageOperations, StorageOperations
from services.agents.archives.storage import Storage
from services.agents.archives.store.archives import PostgresArchives
from services.agents.archives.store.passages import PostgresPassages
from services.agents.archives.tools import ArchivalTools
from services.agents.clients import RegisteredTools, RemoteToolRunner, RouterModels
from services.agents.combined import Combined
from services.agents.config import Config
from services.agents.conversations.conversations import Conversations
from services.agents.conversations.forks import Forks
from services.agents.conversations.rest import ConversationOperations
from services.agents.conversations.servicer import ConversationServicer
from services.agents.conversations.store.conversations import PostgresConversations
from services.agents.conversations.store.forks import PostgresForks
from services.agents.conversations.store.history import PostgresHistory
from services.agents.equipment.direct_calls import DirectCalls
from services.agents.equipment.equipment import Equipment
from services.agents.equipment.rest import DirectCallOperations
from services.agents.equipment.store import PostgresAgentTools
from services.agents.folders.ingestion import Ingestion, Pace
from services.agents.folders.store.passages import PostgresFilePassages
from services.agents.folders.wiring import FolderParts
from services.agents.health.clients import SandboxClient
from services.agents.health.rest import HealthOperations
from services.agents.memory.blocks import Blocks
from services.agents.memory.calls import MemoryCalls
from services.agents.memory.conversation_search import ConversationSearch
from services.agents.memory.core_memory import CoreMemory
from services.agents.memory.rest import BlockOperations, CoreMemoryOperations
from services.agents.memory.servicer import MemoryServicer
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
from services.agents.turns.clients import RouterSummarizer
from services.agents.turns.servicer import TurnServicer
from services.agents.turns.summaries import Summaries
from services.agents.turns.unanswered import UnansweredRequests
from services.agents.turns.wiring import TurnParts
from services.agents.variables.store import PostgresVariables
from services.common import server
from services.common.background import Background
from services.common.channels import open_channel
from services.common.config import Environment
from services.common.database import Database, open_engine
from services.common.rest import rest_handlers
from services.common.secrets import SecretBox

_REST = (agent_rest_pb2, archive_rest_pb2, conversation_rest_pb2, folder_rest_pb2, memory_rest_pb2)
AddServices = Callable[[grpc.aio.Server], Iterable[str]]


async def main() -> None:
    """Serves until told to stop. Raises `BrokenOff` where it stopped because a part of it broke off."""
    config = Config.read(Environment.current())
    engine = open_engine(config.database_url)
    router, tools = open_channel(config.addresses.llm_router), open_channel(config.addresses.tools)
    wired = wire(Database(engine), config.secrets, router, tools, approval_expires_s=config.approval_expires_s)
    try:
        async with Background() as background:
            background.begin("sweep of unanswered requests", wired.unanswered.sweep())
            background.begin("ingestion of files", wired.ingestion.run())
            await server.serve(config.addresses.listen, wired.add_services, broken=background.broken)
    finally:
        await router.close()
        await tools.close()
        await engine.dispose()


@dataclass(frozen=True)
class Wired:
    """What runs: what adds everything that this service serves to a server, and the work beside answering."""

    add_services: AddServices
    ingestion: Ingestion
    unanswered: UnansweredRequests


@dataclass(frozen=True)
class Basis:
    """What several subjects are made of."""

    database: Database
    stores: Stores
    models: RouterModels
    tools: RegisteredTools
    folders: FolderParts
    prompts: SystemPrompts
    relations: Relations
    creation: Creation
    agents: Agents
    overview: ContextOverview
    embedding: Embedding
    messages: Messages


@dataclass(frozen=True)
class Faces:
    """What a subject adds to the two faces of this service: parts of AgentRest and of AgentService."""

    rest: Sequence[object]
    typed: Sequence[object] = ()


def wire(
    database: Database,
    secrets: SecretBox,
    router: grpc.aio.Channel,
    tools_channel: grpc.aio.Channel,
    *,
    approval_expires_s: int = 0,
    pace: Pace = Pace(),
) -> Wired:
    """Puts the service together."""
    basis = _basis(database, secrets, router, tools_channel)
    memory = MemoryCalls(_memory_tools(basis), basis.prompts, PostgresBlocks(), PostgresAgents())
    turns = TurnParts(database, basis.messages, Summaries(RouterSummarizer(router)), now=_now)
    faces = [
        _agents(basis, memory, RemoteToolRunner(tools_channel)),
        _memory(basis),
        _archives(basis),
        _conversations(basis),
        Faces([basis.folders.operations(basis.agents, basis.creation, basis.prompts, basis.tools)]),
        Faces([turns.operations()]),
        Faces([TagOperations(Tags(database, PostgresTags()))]),
        Faces([HealthOperations(database, SandboxClient(tools_channel))]),
    ]
    servicer = turns.servicer(
        basis.prompts,
        memory,
        basis.embedding,
        decrypt=secrets.decrypt,
        approval_expires_s=approval_expires_s,
    )
    ingestion = basis.folders.ingestion(basis.prompts, basis.embedding, pace)
    return Wired(partial(_add_services, faces, servicer), ingestion, turns.unanswered)


def _basis(database: Database, secrets: SecretBox, router: grpc.aio.Channel, tools_channel: grpc.aio.Channel) -> Basis:
    models, tools, messages = RouterModels(router), RegisteredTools(tools_channel), PostgresMessages()
    history, folders = PostgresHistory(messages), FolderParts(database, PostgresAgentTools())
    stores = Stores(
        agents=PostgresAgents(),
        archives=PostgresArchives(),
        blocks=PostgresBlocks(),
        tools=PostgresAgentTools(),
        tags=PostgresTags(),
        variables=PostgresVariables(secrets),
        folders=folders.agent_folders,
        history=history,
    )
    prompts = SystemPrompts(PostgresAgents(), PostgresBlocks(), folders.agent_folders, history)
    relations, creation = Relations(stores, tools), Creation(models, tools)
    agents = Agents(database, stores, relations, creation, prompts)
    return Basis(
        database=database,
        stores=stores,
        models=models,
        tools=tools,
        folders=folders,
        prompts=prompts,
        relations=relations,
        creation=creation,
        agents=agents,
        overview=ContextOverview(database, stores, agents, prompts),
        embedding=Embedding(RouterEmbedder(router)),
        messages=Messages(messages),
    )


def _memory_tools(basis: Basis) -> MemoryTools:
    archival = ArchivalTools(ArchivalMemory(PostgresArchives(), PostgresPassages(), basis.agents))
    files = basis.folders.tools(basis.agents)
    past = ConversationSearch(PostgresMessages(), basis.agents)
    return MemoryTools(PostgresBlocks(), basis.prompts, past, archival, files)


def _agents(basis: Basis, memory: MemoryCalls, runner: RemoteToolRunner) -> Faces:
    database, stores, agents, prompts = basis.database, basis.stores, basis.agents, basis.prompts
    changes = AgentChanges(database, stores, agents, basis.relations, basis.creation, prompts)
    equipment = Equipment(database, stores, agents, basis.tools)
    direct_calls = DirectCalls(database, stores, agents, memory=memory, embedding=basis.embedding, runner=runner)
    return Faces(
        [AgentOperations(agents, changes, equipment, basis.overview), DirectCallOperations(direct_calls)],
        [AgentServicer(agents, changes, equipment)],
    )


def _memory(basis: Basis) -> Faces:
    blocks = Blocks(basis.database, PostgresBlocks(), basis.prompts)
    core_memory = CoreMemory(basis.database, PostgresBlocks(), basis.agents, blocks, basis.prompts)
    return Faces(
        [CoreMemoryOperations(core_memory), BlockOperations(blocks, basis.agents)], [MemoryServicer(core_memory)]
    )


def _archives(basis: Basis) -> Faces:
    database, agents, stored, passages = basis.database, basis.agents, PostgresArchives(), PostgresPassages()
    memory = ArchivalMemory(stored, passages, agents)
    return Faces(
        [
            ArchiveOperations(Archives(database, stored, agents, basis.creation), agents),
            PassageOperations(Library(database, stored, passages, agents, memory, basis.embedding)),
            StorageOperations(Storage(database, [passages, PostgresFilePassages()])),
        ]
    )


def _conversations(basis: Basis) -> Faces:
    database, messages = basis.database, basis.messages
    conversations = Conversations(database, PostgresConversations(), PostgresBlocks(), basis.models)
    forks = Forks(database, PostgresForks(), PostgresBlocks(), basis.prompts)
    return Faces(
        [
            ConversationOperations(conversations, forks, basis.overview),
            MessageOperations(database, messages, conversations, basis.agents),
        ],
        [ConversationServicer(conversations), MessageServicer(database, messages)],
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _add_services(faces: Sequence[Faces], turns: TurnServicer, grpc_server: grpc.aio.Server) -> Iterable[str]:
    rest = [service for file in _REST for service in file.DESCRIPTOR.services_by_name.values()]
    typed = agent_service_pb2.DESCRIPTOR.services_by_name["AgentService"]
    protocol = turn_service_pb2.DESCRIPTOR.services_by_name["TurnService"]
    operations = Combined(*chain.from_iterable(subject.rest for subject in faces))
    servicer = Combined(*chain.from_iterable(subject.typed for subject in faces))
    grpc_server.add_generic_rpc_handlers([rest_handlers(service, operations) for service in rest])
    # Its parts have the servicer's methods.
    add_AgentServiceServicer_to_server(cast(AgentServiceServicer, servicer), grpc_server)
    add_TurnServiceServicer_to_server(turns, grpc_server)
    return [service.full_name for service in (*rest, typed, protocol)]


if __name__ == "__main__":
    server.run(main())
