"""The REST operations of conversations, on the stores of the tests of turns."""

from dataclasses import dataclass

from perdure.agents.v1 import conversation_rest_pb2 as rest
from services.agents.agents.catalogs import Models
from services.agents.agents.store import PostgresAgents
from services.agents.conversations.conversations import Conversations
from services.agents.conversations.forks import Forks
from services.agents.conversations.rest import ConversationOperations
from services.agents.conversations.store.conversations import PostgresConversations
from services.agents.conversations.store.forks import PostgresForks
from services.agents.equipment.store import PostgresAgentTools
from services.agents.folders.wiring import FolderParts
from services.agents.memory.store import PostgresBlocks
from services.agents.memory.system_prompts import SystemPrompts
from services.common.caller import Caller
from services.common.errors import NotFound
from services.contract.conversations import Conversation, CreateConversation
from services.contract.model_configs import EmbeddingConfig, LlmConfig
from tests.agents.turns.world import World

CALLER = Caller()


class TwoModels(Models):
    """Knows openai/m and anthropic/large."""

    async def resolve(self, organization_id: str, handle: str) -> LlmConfig:
        if handle not in ("openai/m", "anthropic/large"):
            raise NotFound(f"No model {handle}.")
        provider, name = handle.split("/")
        return LlmConfig(model=name, model_endpoint_type=provider, context_window=64_000, handle=handle, max_tokens=99)

    async def resolve_embedding(self, organization_id: str, handle: str) -> EmbeddingConfig:
        raise NotFound(handle)


@dataclass(frozen=True)
class Recompiling:
    """Compiles system messages, and stores nothing."""

    world: World
    prompts: SystemPrompts

    async def recompile(self, caller: Caller, agent_id: str, conversation_id: str, *, dry_run: bool) -> str:
        async with self.world.database.begin() as tx:
            return await self.prompts.compile_for(tx, caller.organization_id, agent_id, conversation_id)


def open_operations(world: World) -> ConversationOperations:
    blocks, folders = PostgresBlocks(), FolderParts(world.database, PostgresAgentTools()).agent_folders
    prompts = SystemPrompts(PostgresAgents(), blocks, folders, world.history)
    conversations = Conversations(world.database, PostgresConversations(), blocks, TwoModels())
    forks = Forks(world.database, PostgresForks(), blocks, prompts)
    return ConversationOperations(conversations, forks, Recompiling(world, prompts))


async def create(
    operations: ConversationOperations, agent_id: str, body: CreateConversation | None = None
) -> Conversation:
    query = rest.CreateConversationQuery(agent_id=agent_id)
    return await operations.create_conversation(CALLER, query, body or CreateConversation())
