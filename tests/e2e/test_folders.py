"""Folders and files through the SDK, read by agents."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from letta_client import APIStatusError, AsyncLetta, ConflictError
from letta_client.types import Folder

from services.cli.stack import Stack
from tests.agents.folders.test_text_reader import pdf
from tests.e2e.conftest import MakeAgent
from tests.e2e.test_crashes import kill
from tests.e2e.waiting import eventually
from tests.e2e.ways import send

EMBEDDING = "openai/text-embedding-3-small"
FILE_TOOLS = {"open_files", "grep_files", "semantic_search_files"}
LOG = "\n".join(f"Line {number} of the log." for number in range(1, 1001))

Upload = Callable[..., Awaitable[str]]


@pytest.fixture
async def folder(client: AsyncLetta, word: str) -> Folder:
    return await client.folders.create(name=word, embedding=EMBEDDING)


@pytest.fixture
def upload(client: AsyncLetta, folder: Folder) -> Upload:
    """Uploads a file, waits until it has been processed, and answers its id."""

    async def upload(name: str, data: bytes | str, *, wanted: str = "completed", **options: str) -> str:
        raw = data.encode() if isinstance(data, str) else data
        file = await client.folders.files.upload(folder.id, file=(name, raw), **options)  # type: ignore[arg-type]  # words

        async def is_done() -> bool:
            read = await client.folders.files.retrieve(file.id, folder_id=folder.id)
            assert read.processing_status in ("parsing", "embedding", wanted), read.error_message
            return read.processing_status == wanted

        await eventually(is_done)
        return file.id

    return upload


async def test_folders_are_made_found_changed_and_deleted(client: AsyncLetta, folder: Folder) -> None:
    changed = await client.folders.update(folder.id, description="All on pumps.")
    [found] = [one async for one in client.folders.list(name=folder.name)]
    await client.folders.delete(folder.id)

    assert (changed.description, found.id) == ("All on pumps.", folder.id)
    assert folder.embedding_config.handle == EMBEDDING
    with pytest.raises(APIStatusError) as caught:
        await client.folders.retrieve(folder.id)
    assert caught.value.status_code == 404


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.pdf", pdf(b"BT /F1 12 Tf 72 720 Td (The red pump is loud) Tj ET")),
        ("a.md", "# Pumps\n\nThe red pump is loud."),
        ("a.json", '{"red": "loud"}'),
        ("a.csv", "pump,noise\nred,loud"),
        ("a.py", "loud = ['red']\n"),
    ],
)
async def test_files_of_many_kinds_are_completed(
    client: AsyncLetta, folder: Folder, upload: Upload, name: str, data: bytes | str
) -> None:
    file_id = await upload(name, data)

    [file] = [one async for one in client.folders.files.list(folder.id, include_content=True)]

    assert (file.id, file.file_name, file.original_file_name) == (file_id, name, name)
    assert (file.total_chunks, file.chunks_embedded) == (1, 1)
    assert "loud" in (file.content or "")


async def test_duplicates_are_numbered_replaced_or_refused(
    client: AsyncLetta, folder: Folder, upload: Upload, make_agent: MakeAgent
) -> None:
    agent = await make_agent(folder_ids=[folder.id])
    first = await upload("test.txt", "first")
    await upload("test.txt", "second")
    replaced = await upload("test.txt", "third", duplicate_handling="replace")

    with pytest.raises(ConflictError, match="already exists"):
        await upload("test.txt", "fourth", duplicate_handling="error")
    names = {one.file_name async for one in client.folders.files.list(folder.id)}
    values = {block.value.rpartition(" ")[2] for block in await _file_blocks(client, agent.id)}

    assert names == {"test.txt", "test_(1).txt"}
    assert replaced != first
    assert values == {"second", "third"}


async def test_an_agent_has_folders_and_opens_files(
    client: AsyncLetta, folder: Folder, upload: Upload, make_agent: MakeAgent
) -> None:
    agent = await make_agent(max_files_open=1)
    ids = [await upload(f"{number}.txt", f"text {number}") for number in range(2)]

    attached = await client.agents.folders.attach(folder.id, agent_id=agent.id)
    listed = [one.id async for one in client.agents.folders.list(agent.id)]
    closed = await client.agents.files.open(ids[0], agent_id=agent.id)
    files = {one.file_id: one.is_open async for one in client.agents.files.list(agent.id, limit=1)}
    closed_all = await client.agents.files.close_all(agent.id)
    having = await client.folders.agents.list(folder.id)
    tools = {tool.name async for tool in client.agents.tools.list(agent.id)}
    await client.agents.folders.detach(folder.id, agent_id=agent.id)

    assert attached is None
    assert (listed, having) == ([folder.id], [agent.id])
    assert (closed, closed_all) == ([f"{folder.name}/1.txt"], [f"{folder.name}/0.txt"])
    assert files == {ids[0]: True, ids[1]: False}
    assert tools == FILE_TOOLS
    assert await _file_blocks(client, agent.id) == []
    assert [tool async for tool in client.agents.tools.list(agent.id)] == []


async def test_an_agent_reads_its_files(
    client: AsyncLetta, folder: Folder, upload: Upload, make_agent: MakeAgent
) -> None:
    await upload("log.txt", LOG)
    await upload("pumps.md", "The red pump is loud.")
    agent = await make_agent(folder_ids=[folder.id])
    await client.agents.files.close_all(agent.id)
    wanted = f'{{"file_name": "{folder.name}/log.txt", "offset": 49, "length": 5}}'
    text = (
        f'call tool open_files with {{"file_requests": [{wanted}]}} '
        'then call tool grep_files with {"pattern": "line 510 of"} '
        'then call tool semantic_search_files with {"query": "which pump is loud", "limit": 1}'
    )

    answer = await send(client, agent.id, text)

    opened, grepped, searched = [one for one in answer.messages if one.message_type == "tool_return_message"]
    assert [one.status for one in (opened, grepped, searched)] == ["success"] * 3
    assert "Found 1 total matches across 1 files" in grepped.tool_return
    assert "  509: Line 509 of the log.\n> 510: Line 510 of the log." in grepped.tool_return
    assert "The red pump is loud." in searched.tool_return
    [block] = [block for block in await _file_blocks(client, agent.id) if block.is_open]
    assert block.value.startswith("[Viewing lines 50 to 54 (out of 1000 lines)]\n50: Line 50")


async def test_a_file_beyond_the_limit_is_refused_with_the_reason(http: httpx.AsyncClient, folder: Folder) -> None:
    path = f"/v1/folders/{folder.id}/upload"

    ours = await http.post(path, files={"file": ("big.txt", bytes(30 * 1024 * 1024 + 1))})
    gateway = await http.post(path, files={"file": ("big.txt", bytes(40 * 1024 * 1024))})
    none = await http.post(path, data={"other": "field"})
    fits = await http.post(path, files={"file": ("large.bin", b"\xff\0" * 2_500_000)})

    assert ours.status_code == gateway.status_code == 413
    assert "31457280" in ours.json()["detail"]
    assert none.status_code == 422
    assert none.json()["detail"][0]["loc"] == ["body", "file"]
    assert fits.status_code == 200


async def test_processing_goes_on_after_the_service_was_killed(
    client: AsyncLetta, http: httpx.AsyncClient, stack: Stack, folder: Folder
) -> None:
    file = await client.folders.files.upload(folder.id, file=("log.txt", (LOG * 20).encode()))

    kill(stack, "agents")

    async def is_completed() -> bool:
        answer = await http.get(f"/v1/folders/{folder.id}/files/{file.id}")
        return answer.status_code == 200 and answer.json()["processing_status"] == "completed"

    await eventually(is_completed)
    read = await client.folders.files.retrieve(file.id, folder_id=folder.id)
    assert read.chunks_embedded == read.total_chunks


async def _file_blocks(client: AsyncLetta, agent_id: str) -> list[Any]:  # Any: what the SDK calls a file block
    agent = await client.agents.retrieve(agent_id, include=["agent.blocks"])
    return list(agent.memory.file_blocks or [])
