"""The REST operations of agents' folders and of the files that they have open."""

from dataclasses import asdict

from perdure.agents.v1 import folder_rest_pb2 as rest
from services.agents.folders.attachments import Attachments
from services.agents.folders.desk import Desk
from services.agents.folders.open_files import FileView
from services.agents.paging import Page
from services.common.caller import Caller
from services.contract.agents import AgentState
from services.contract.files import AgentFile, AgentFiles, ClosedFile
from services.contract.folders import Source


class AttachmentOperations:
    """What `/v1/agents/{agent_id}/folders` does, and `/sources` with it."""

    def __init__(self, attachments: Attachments) -> None:
        self._attachments = attachments

    async def list_agent_folders(self, caller: Caller, query: rest.ListAgentFoldersQuery, _: None) -> list[Source]:
        """A page of an agent's folders."""
        page = Page(query.limit, query.before, query.after, descending=query.order == "desc")
        return await self._attachments.list_page(caller, query.agent_id, page)

    async def attach_folder(self, caller: Caller, query: rest.AttachFolderQuery, _: None) -> AgentState | None:
        """Gives an agent a folder. Callers of the 1.x SDK get no agent back."""
        agent = await self._attachments.attach(caller, query.agent_id, query.folder_id)
        return None if caller.is_v1_sdk else agent

    async def detach_folder(self, caller: Caller, query: rest.DetachFolderQuery, _: None) -> AgentState | None:
        """Takes a folder from an agent. Callers of the 1.x SDK get no agent back."""
        agent = await self._attachments.detach(caller, query.agent_id, query.folder_id)
        return None if caller.is_v1_sdk else agent

    list_agent_sources = list_agent_folders
    attach_source = attach_folder
    detach_source = detach_folder


class DeskOperations:
    """What `/v1/agents/{agent_id}/files` does."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def list_agent_files(self, caller: Caller, query: rest.ListAgentFilesQuery, _: None) -> AgentFiles:
        """A page of the files of an agent's folders."""
        after = query.after or query.cursor
        page = Page(query.limit, query.before, after, descending=query.order == "desc")
        is_open = query.is_open if query.HasField("is_open") else None
        found = await self._desk.list_page(caller, query.agent_id, page, is_open=is_open)
        files = [_shown(view) for view in found.views]
        return AgentFiles(files=files, next_cursor=files[-1].id if files else None, has_more=found.has_more)

    async def open_file(self, caller: Caller, query: rest.OpenFileQuery, _: None) -> list[str]:
        """Opens a file, and tells which were closed for it."""
        return await self._desk.open(caller, query.agent_id, query.file_id)

    async def close_file(self, caller: Caller, query: rest.CloseFileQuery, _: None) -> ClosedFile:
        """Closes a file."""
        await self._desk.close(caller, query.agent_id, query.file_id)
        return ClosedFile(message=f"File {query.file_id} was closed.")

    async def close_all_files(self, caller: Caller, query: rest.CloseAllFilesQuery, _: None) -> list[str]:
        """Closes all files, and tells which were open."""
        return await self._desk.close_all(caller, query.agent_id)


def _shown(view: FileView) -> AgentFile:
    return AgentFile(**asdict(view) | {"file_name": view.path, "visible_content": view.visible_content or None})
