"""A run whose row is lost, as no client of the API can lose it."""

import asyncpg
from letta_client import AsyncLetta, ConflictError
from letta_client.types import AgentState

from services.cli.stack import Stack
from tests.e2e.vendors import Vendors
from tests.e2e.waiting import eventually
from tests.e2e.ways import messages_of, send


async def test_its_conversation_is_free_again(
    stack: Stack, client: AsyncLetta, agent: AgentState, vendors: Vendors, word: str
) -> None:
    run = await client.agents.messages.create_async(
        agent.id, input=f"Reply with 2000 words [[fake: inter_token_ms=100]] {word}"
    )
    await vendors.wait_until_speaking(word)
    database = await asyncpg.connect(stack.environment["DATABASE_URL"])
    await database.execute("DELETE FROM runs.runs WHERE id = $1", run.id)
    await database.close()

    async def is_free() -> bool:
        try:
            await send(client, agent.id, "Hello")
        except ConflictError:
            return False
        return True

    await eventually(is_free)

    texts = [message.content for message in await messages_of(client, agent.id) if hasattr(message, "content")]
    assert texts[-2:] == ["Hello", "You said: Hello"]
