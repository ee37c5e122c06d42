"""Folders with files, over REST, beside the processing that tests set off."""

from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import pytest
from google.api.httpbody_pb2 import HttpBody

from perdure.agents.v1.folder_rest_pb2 import UploadFolderFileQuery
from services.common.errors import PerdureError
from services.common.status import rpc_errors
from tests.agents.service import TIMEOUT_S, Api, Service

EMBEDDING = "openai/text-embedding-3-small"


@dataclass(frozen=True)
class Shelf:
    """One folder."""

    service: Service
    folder: dict[str, Any]

    @property
    def api(self) -> Api:
        return self.service.api

    @property
    def id(self) -> str:
        return str(self.folder["id"])

    async def upload(self, sent_name: str, data: bytes | str, media_type: str = "text/plain", **options: str) -> Any:
        """A file that waits to be processed."""
        raw = data.encode() if isinstance(data, str) else data
        form = httpx.Request("POST", "http://here", files={"file": (sent_name, raw, media_type)})
        body = HttpBody(content_type=form.headers["content-type"], data=form.read())
        request = UploadFolderFileQuery(folder_id=self.id, body=body, **options)
        rpc = self.api.channel.unary_unary(
            "/perdure.agents.v1.FolderRest/UploadFolderFile",
            request_serializer=UploadFolderFileQuery.SerializeToString,
            response_deserializer=HttpBody.FromString,
        )
        with rpc_errors():
            answer: HttpBody = await rpc(request, timeout=TIMEOUT_S)
        return orjson.loads(answer.data)

    async def refusal(self, sent_name: str, data: bytes | str, **options: str) -> tuple[int, str]:
        """The status and the detail with which an upload is refused."""
        with pytest.raises(PerdureError) as caught:
            await self.upload(sent_name, data, **options)
        return caught.value.http_status, str(caught.value.detail)

    async def process(self) -> None:
        """Processes all that waits."""
        while await self.service.ingestion.process_next():
            pass

    async def add(self, sent_name: str, data: bytes | str, **options: str) -> Any:
        """A file that has been processed."""
        file = await self.upload(sent_name, data, **options)
        await self.process()
        return await self.read(file["id"])

    async def read(self, file_id: str) -> Any:
        return await self.api.call("GetFolderFile", folder_id=self.id, file_id=file_id, include_content=True)

    async def names(self) -> list[str]:
        """The names of the files, the oldest first."""
        files = await self.api.call("ListFolderFiles", folder_id=self.id, order="asc")
        return [file["file_name"] for file in files]

    async def attach(self, agent_id: str) -> None:
        await self.api.call("AttachFolder", agent_id=agent_id, folder_id=self.id)

    async def detach(self, agent_id: str) -> None:
        await self.api.call("DetachFolder", agent_id=agent_id, folder_id=self.id)


async def make_shelf(service: Service, name: str, **body: Any) -> Shelf:
    return Shelf(service, await service.api.call("CreateFolder", {"name": name} | body))


@pytest.fixture
async def shelf(service: Service, request: pytest.FixtureRequest) -> Shelf:
    """A folder with an embedding model, of the test's own name."""
    return await make_shelf(service, request.node.name, embedding=EMBEDDING)


async def open_files(api: Api, agent_id: str) -> dict[str, str]:
    """What an agent sees of each open file, by name."""
    agent = await api.call("GetAgent", agent_id=agent_id, include=["agent.blocks"])
    return {block["label"]: block["value"] for block in agent["memory"]["file_blocks"] if block["is_open"]}
