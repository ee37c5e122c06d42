"""What agents remember in archives, through their tools and through the SDK."""

import ast

import httpx
import pytest
from letta_client import AsyncLetta

from tests.e2e.conftest import MakeAgent
from tests.e2e.ways import send

EMBEDDINGS = ("openai/text-embedding-3-small", "google_ai/gemini-embedding-001", "perdure/hash", None)
TOOLS = ["archival_memory_insert", "archival_memory_search"]


@pytest.mark.parametrize("embedding", EMBEDDINGS)
async def test_an_agent_finds_what_it_stored(client: AsyncLetta, make_agent: MakeAgent, embedding: str | None) -> None:
    agent = await make_agent(embedding=embedding, tools=TOOLS)
    text = (
        'call tool archival_memory_insert with {"content": "The sky is blue.", "tags": ["sky"]} '
        'then call tool archival_memory_insert with {"content": "Grass is green."} '
        'then call tool archival_memory_search with {"query": "how blue is the sky", "top_k": 1}'
    )

    answer = await send(client, agent.id, text)

    returns = [one for one in answer.messages if one.message_type == "tool_return_message"]
    assert [one.status for one in returns] == ["success"] * 3
    assert [one.tool_return for one in returns[:2]] == ["None", "None"]
    [found] = ast.literal_eval(returns[2].tool_return)
    assert (found["content"], found["tags"]) == ("The sky is blue.", ["sky"])


@pytest.mark.parametrize("embedding", EMBEDDINGS)
async def test_the_sdk_writes_and_finds_passages(
    client: AsyncLetta, make_agent: MakeAgent, embedding: str | None
) -> None:
    agent = await make_agent(embedding=embedding)

    [cat] = await client.agents.passages.create(agent.id, text="The cat sat on the mat.", tags=["cats"])
    await client.agents.passages.create(agent.id, text="Quantum physics is difficult.")
    found = await client.agents.passages.search(agent.id, query="where is the cat", top_k=1)

    assert [result.id for result in found.results] == [cat.id]
    assert (len(cat.embedding) if cat.embedding else None) == (4096 if embedding else None)
    assert [one.text for one in await client.agents.passages.list(agent.id)] == [
        "The cat sat on the mat.",
        "Quantum physics is difficult.",
    ]


async def test_agents_share_an_archive(client: AsyncLetta, make_agent: MakeAgent) -> None:
    agent = await make_agent()
    archive = await client.archives.create(name="shared", embedding="perdure/hash")
    await client.agents.archives.attach(archive.id, agent_id=agent.id)
    passage = await client.archives.passages.create(archive.id, text="The lighthouse is red.")

    [found] = await client.passages.search(agent_id=agent.id, query="lighthouse", limit=1)
    await client.archives.passages.delete(passage.id or "", archive_id=archive.id)
    left = await client.agents.passages.list(agent.id)
    await client.archives.delete(archive.id)

    assert found.passage.id == passage.id
    assert left == []
    assert [one.id async for one in client.archives.list(name="shared")] == []


async def test_over_plain_http_as_well(http: httpx.AsyncClient, make_agent: MakeAgent) -> None:
    agent = await make_agent()
    path = f"/v1/agents/{agent.id}/archival-memory"
    made = await http.post(path, json={"text": "Noon.", "created_at": "2024-05-01T12:00:00+02:00"})
    [passage] = made.json()

    times = {"start_datetime": "2024-05-01T10:00:00+00:00", "end_datetime": "2024-05-01"}
    found = await http.get(f"{path}/search", params={"query": "noon", **times})
    malformed = await http.get(f"{path}/search", params={"query": "noon", "start_datetime": "soon"})
    removed = await http.delete(f"/v1/archives/{passage['archive_id']}/passages/{passage['id']}")
    deleted = await http.delete(f"/v1/archives/{passage['archive_id']}")

    timestamp = "2024-05-01T10:00:00+00:00"
    assert found.json() == {
        "results": [{"id": passage["id"], "timestamp": timestamp, "content": "Noon.", "tags": []}],
        "count": 1,
    }
    assert (malformed.status_code, malformed.json()["detail"][0]["loc"]) == (422, ["query", "start_datetime"])
    assert [(answer.status_code, answer.content) for answer in (removed, deleted)] == [(204, b"")] * 2


async def test_what_waited_for_an_approval_is_stored_after_it(
    client: AsyncLetta, http: httpx.AsyncClient, make_agent: MakeAgent
) -> None:
    rules = [{"type": "requires_approval", "tool_name": TOOLS[0]}]
    agent = await make_agent(embedding="perdure/hash", tools=TOOLS, tool_rules=rules)
    asked = await send(client, agent.id, 'call tool archival_memory_insert with {"content": "The sky is blue."}')
    before = await client.agents.passages.list(agent.id)

    [call] = asked.only("approval_request_message").tool_calls
    approval = {"type": "approval", "tool_call_id": call.tool_call_id, "approve": True}
    body = {"messages": [{"type": "approval", "approvals": [approval]}]}
    answer = (await http.post(f"/v1/agents/{agent.id}/messages", json=body)).json()

    assert before == []
    assert answer["messages"][0]["tool_return"] == "None"
    assert [one.text for one in await client.agents.passages.list(agent.id)] == ["The sky is blue."]
