"""The agents service: `python -m services.agents`."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import grpc

from perdure.agents.v1 import agent_service_pb2, rest_pb2, turn_service_pb2
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
from services.agents.clients import RegisteredTools, RouterModels, ToolRunner
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
from services.agents.turns.admission import Admission
from services.agents.turns.begin import TurnStarter
from services.agents.turns.clients import RouterSummarizer
from services.agents.turns.commit import StepCommitter
from services.agents.turns.compact import TurnCompactor
from services.agents.turns.compact_idle import ConversationCompactor
from services.agents.turns.end import TurnEnder
from services.agents.turns.memory_calls import MemoryCalls
from services.agents.turns.mending import Mender
from services.agents.turns.rest import WindowOperations
from services.agents.turns.servicer import TurnServicer
from services.agents.turns.shrinking import WindowCompactor
from services.agents.turns.store.approvals import PostgresApprovals
from services.agents.turns.store.mending import PostgresMending
from services.agents.turns.store.turns import PostgresTurns
from services.agents.turns.summaries import Summaries
from services.agents.turns.unanswered import UnansweredRequests
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
    database = Database(engine)
    wired = wire(database, config.secrets, router, tools, approval_expires_s=config.approval_expires_s)
    sweeping = asyncio.create_task(_unanswered(database).sweep())
    ingesting = asyncio.create_task(wired.ingestion.run())
    try:
        await server.serve(config.addresses.listen, wired.add_services)
    finally:
        sweeping.cancel()
        ingesting.cancel()
        await asyncio.gather(sweeping, ingesting, return_exceptions=True)
        await router.close()
        await tools.close()
        await engine.dispose()


@dataclass(frozen=True)
class Subjects:
    """What this service knows how to do, subject by subject."""

    database: Database
    health: HealthOperations
    agents: Agents
    changes: AgentChanges
    equipment: Equipment
    direct_calls: DirectCalls
    overview: ContextOverview
    core_memory: CoreMemory
    blocks: Blocks
    tags: Tags
    archives: Archives
    library: Library
    storage: Storage
    conversations: Conversations
    forks: Forks
    messages: Messages
    folders: Combined  # the REST operations of folders and files


@dataclass(frozen=True)
class Wired:
    """What runs: what adds everything that this service serves to a server, and the processing of uploaded files."""

    add_services: AddServices
    ingestion: Ingestion


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
    models, tools = RouterModels(router), RegisteredTools(tools_channel)
    stored_messages, stored_agents, blocks, tags = (
        PostgresMessages(),
        PostgresAgents(),
        PostgresBlocks(),
        PostgresTags(),
    )
    stored_archives, stored_passages = PostgresArchives(), PostgresPassages()
    history, agent_tools = PostgresHistory(stored_messages), PostgresAgentTools()
    folders = FolderParts(database, agent_tools)
    stores = Stores(
        agents=stored_agents,
        archives=stored_archives,
        blocks=blocks,
        tools=agent_tools,
        tags=tags,
        variables=PostgresVariables(secrets),
        folders=folders.agent_folders,
        history=history,
    )
    prompts = SystemPrompts(stored_agents, blocks, folders.agent_folders, history)
    relations, creation = Relations(stores, tools), Creation(models, tools)
    agents, own_blocks = Agents(database, stores, relations, creation, prompts), Blocks(database, blocks, prompts)
    archival, embedding = ArchivalMemory(stored_archives, stored_passages, agents), Embedding(RouterEmbedder(router))
    tools_of_memory = MemoryTools(
        blocks, prompts, ConversationSearch(history), ArchivalTools(archival), folders.tools(agents, prompts)
    )
    subjects = Subjects(
        database=database,
        health=HealthOperations(database, SandboxClient(tools_channel)),
        agents=agents,
        changes=AgentChanges(database, stores, agents, relations, creation, prompts),
        equipment=Equipment(database, stores, agents, tools, prompts),
        direct_calls=DirectCalls(
            database,
            stores,
            agents,
            prompts=prompts,
            memory=tools_of_memory,
            embedding=embedding,
            runner=ToolRunner(tools_channel),
        ),
        overview=ContextOverview(database, stores, agents, prompts),
        core_memory=CoreMemory(database, blocks, agents, own_blocks, prompts),
        blocks=own_blocks,
        tags=Tags(database, tags),
        archives=Archives(database, stored_archives, agents, creation),
        storage=Storage(database, [stored_passages, PostgresFilePassages()]),
        library=Library(database, stored_archives, stored_passages, agents, archival, embedding),
        conversations=Conversations(database, PostgresConversations(), blocks, models),
        forks=Forks(database, PostgresForks(), blocks, prompts),
        messages=Messages(stored_messages),
        folders=folders.operations(agents, creation, prompts, tools),
    )
    starter = TurnStarter(
        database,
        PostgresTurns(),
        subjects.messages,
        prompts,
        Admission(PostgresApprovals()),
        _unanswered(database),
        decrypt=secrets.decrypt,
        now=_now,
    )
    committer = StepCommitter(
        database,
        PostgresTurns(),
        subjects.messages,
        MemoryCalls(tools_of_memory, prompts, history, stored_agents),
        embedding,
        approval_expires_s=approval_expires_s,
        now=_now,
    )
    compactor = WindowCompactor(PostgresTurns(), subjects.messages, Summaries(RouterSummarizer(router)), now=_now)
    add_services = _adding(subjects, _turns(subjects, starter, committer, compactor), _windows(subjects, compactor))
    return Wired(add_services, folders.ingestion(prompts, embedding, pace))


def _turns(
    subjects: Subjects, starter: TurnStarter, committer: StepCommitter, compactor: WindowCompactor
) -> TurnServicer:
    database, messages, store = subjects.database, subjects.messages, PostgresTurns()
    return TurnServicer(
        starter,
        committer,
        TurnEnder(database, store, messages, _unanswered(database), now=_now),
        TurnCompactor(database, store, messages, compactor),
    )


def _windows(subjects: Subjects, compactor: WindowCompactor) -> WindowOperations:
    database, store = subjects.database, PostgresTurns()
    mender = Mender(database, store, PostgresMending(), subjects.messages)
    return WindowOperations(ConversationCompactor(database, store, compactor), mender)


def _rest(subjects: Subjects, windows: WindowOperations) -> Combined:
    return Combined(
        windows,
        subjects.health,
        AgentOperations(subjects.agents, subjects.changes, subjects.equipment, subjects.overview),
        DirectCallOperations(subjects.direct_calls),
        CoreMemoryOperations(subjects.core_memory),
        BlockOperations(subjects.blocks, subjects.agents),
        TagOperations(subjects.tags),
        ArchiveOperations(subjects.archives, subjects.agents),
        PassageOperations(subjects.library),
        StorageOperations(subjects.storage),
        subjects.folders,
        ConversationOperations(subjects.conversations, subjects.forks, subjects.overview),
        MessageOperations(subjects.database, subjects.messages, subjects.conversations, subjects.agents),
    )


def _typed(subjects: Subjects) -> AgentServiceServicer:
    servicer = Combined(
        AgentServicer(subjects.agents, subjects.changes, subjects.equipment),
        MemoryServicer(subjects.core_memory),
        ConversationServicer(subjects.conversations),
        MessageServicer(subjects.database, subjects.messages),
    )
    return cast(AgentServiceServicer, servicer)  # its parts have its methods


def _unanswered(database: Database) -> UnansweredRequests:
    messages = Messages(PostgresMessages())
    return UnansweredRequests(database, PostgresTurns(), PostgresApprovals(), messages, now=_now)


def _now() -> datetime:
    return datetime.now(UTC)


def _adding(subjects: Subjects, turns: TurnServicer, windows: WindowOperations) -> AddServices:
    def add_services(grpc_server: grpc.aio.Server) -> Iterable[str]:
        rest = rest_pb2.DESCRIPTOR.services_by_name["AgentRest"]
        typed = agent_service_pb2.DESCRIPTOR.services_by_name["AgentService"]
        protocol = turn_service_pb2.DESCRIPTOR.services_by_name["TurnService"]
        grpc_server.add_generic_rpc_handlers([rest_handlers(rest, _rest(subjects, windows))])
        add_AgentServiceServicer_to_server(_typed(subjects), grpc_server)
        add_TurnServiceServicer_to_server(turns, grpc_server)
        return [rest.full_name, typed.full_name, protocol.full_name]

    return add_services


if __name__ == "__main__":
    server.run(main())
