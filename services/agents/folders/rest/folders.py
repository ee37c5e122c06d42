"""The REST operations of folders and their files, under both of their names."""

import asyncio
from collections.abc import Sequence
from typing import cast

from perdure.agents.v1 import folder_rest_pb2 as rest
from services.agents.agents.agents import Agents
from services.agents.agents.filter import AgentFilter
from services.agents.folders.files import DuplicateHandling, Files
from services.agents.folders.folders import Folders
from services.agents.paging import Page
from services.common.caller import Caller
from services.common.rest import print_json
from services.common.uploads import Upload
from services.contract.files import File
from services.contract.folders import CreateFolder, Folder, FoldersStats, Source, UpdateFolder


class FolderOperations:
    """What `/v1/folders` does, and `/v1/sources` with it."""

    def __init__(self, folders: Folders, agents: Agents) -> None:
        self._folders = folders
        self._agents = agents

    async def create_folder(self, caller: Caller, _: rest.CreateFolderQuery, body: CreateFolder) -> Folder:
        """Makes a folder."""
        return await self._folders.create(caller, body)

    async def create_source(self, caller: Caller, _: rest.CreateFolderQuery, body: CreateFolder) -> Source:
        """Makes a folder."""
        return _as_source(await self._folders.create(caller, body))

    async def list_folders(self, caller: Caller, query: rest.ListFoldersQuery, _: None) -> list[Folder]:
        """A page of folders."""
        page = Page(query.limit, query.before, query.after, descending=query.order == "desc")
        return await self._folders.list_page(caller, page, name=query.name)

    async def list_sources(self, caller: Caller, _: rest.ListSourcesQuery, __: None) -> list[Source]:
        """All folders."""
        return [_as_source(folder) for folder in await self._folders.list_all(caller)]

    async def get_folder(self, caller: Caller, query: rest.GetFolderQuery, _: None) -> Folder:
        """One folder."""
        return await self._folders.get(caller, query.folder_id)

    async def get_source(self, caller: Caller, query: rest.GetFolderQuery, _: None) -> Source:
        """One folder."""
        return _as_source(await self._folders.get(caller, query.folder_id))

    async def update_folder(self, caller: Caller, query: rest.UpdateFolderQuery, body: UpdateFolder) -> Folder:
        """Changes a folder."""
        return await self._folders.update(caller, query.folder_id, body)

    async def update_source(self, caller: Caller, query: rest.UpdateFolderQuery, body: UpdateFolder) -> Source:
        """Changes a folder."""
        return _as_source(await self._folders.update(caller, query.folder_id, body))

    async def count_folders(self, caller: Caller, _: rest.CountFoldersQuery, __: None) -> int:
        """How many folders there are."""
        return await self._folders.count(caller)

    async def get_all_folder_stats(self, caller: Caller, query: rest.GetAllFolderStatsQuery, _: None) -> FoldersStats:
        """How much the folders hold."""
        stats = await self._folders.stats(caller)
        return FoldersStats(
            total_sources=len(stats),
            total_files=sum(folder.file_count for folder in stats),
            total_size=sum(folder.total_size for folder in stats),
            sources=stats if query.include_detailed_per_source_metadata else [],
        )

    async def get_folder_by_name(self, caller: Caller, query: rest.GetFolderByNameQuery, _: None) -> str:
        """The id of a folder."""
        return (await self._folders.get_named(caller, query.folder_name)).id

    async def delete_folder(self, caller: Caller, query: rest.DeleteFolderQuery, _: None) -> None:
        """Deletes a folder."""
        await self._folders.delete(caller, query.folder_id)

    async def list_folder_agents(self, caller: Caller, query: rest.ListFolderAgentsQuery, _: None) -> list[str]:
        """The ids of a page of the agents that have a folder."""
        await self._folders.get(caller, query.folder_id)
        agents = await self._agents.list_page(
            caller,
            AgentFilter(folder_id=query.folder_id),
            Page(query.limit, query.before, query.after, descending=query.order == "desc"),
            order_by="created_at",
            include=frozenset(),
        )
        return [agent.id for agent in agents]

    count_sources = count_folders
    get_all_source_stats = get_all_folder_stats
    get_source_by_name = get_folder_by_name
    delete_source = delete_folder
    list_source_agents = list_folder_agents


def _as_source(folder: Folder) -> Source:
    return Source(**folder.model_dump())


class FileOperations:
    """What is done with the files of a folder."""

    def __init__(self, files: Files) -> None:
        self._files = files

    async def upload_folder_file(self, caller: Caller, query: rest.UploadFolderFileQuery, body: Upload) -> File:
        """Stores a file."""
        duplicates = cast(DuplicateHandling, query.duplicate_handling)  # rest.proto allows no other words
        return await self._files.upload(caller, query.folder_id, body, name=query.name, duplicates=duplicates)

    async def list_folder_files(self, caller: Caller, query: rest.ListFolderFilesQuery, _: None) -> bytes:
        """A page of files."""
        page = Page(query.limit, query.before, query.after, descending=query.order == "desc")
        return await _print(await self._files.list_page(caller, query.folder_id, page, with_text=query.include_content))

    async def get_folder_file(self, caller: Caller, query: rest.GetFolderFileQuery, _: None) -> File:
        """One file."""
        return await self._files.get(caller, query.folder_id, query.file_id, with_text=query.include_content)

    async def delete_folder_file(self, caller: Caller, query: rest.DeleteFolderFileQuery, _: None) -> None:
        """Deletes a file."""
        await self._files.delete(caller, query.folder_id, query.file_id)

    async def list_folder_passages(self, caller: Caller, query: rest.ListFolderPassagesQuery, _: None) -> bytes:
        """A page of the pieces of files."""
        page = Page(query.limit, query.before, query.after, descending=query.order == "desc")
        return await _print(await self._files.list_passages(caller, query.folder_id, page))

    upload_source_file = upload_folder_file
    list_source_files = list_folder_files
    get_source_file = get_folder_file
    delete_source_file = delete_folder_file
    list_source_passages = list_folder_passages


async def _print(answer: Sequence[object]) -> bytes:
    """The answer's JSON, made away from the event loop: texts and vectors are long."""
    return await asyncio.to_thread(print_json, answer)
