"""Files in folders: uploaded, read, listed, deleted."""

import asyncio
import mimetypes
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, Protocol

from services.agents.folders import folders
from services.agents.folders.folders import find_folder
from services.agents.folders.names import free_name, last_part
from services.agents.paging import Page
from services.common.caller import Caller
from services.common.database import Database, Transaction
from services.common.errors import AlreadyExists, InvalidArgument, NotFound
from services.common.ids import new_id
from services.common.uploads import Upload
from services.contract.files import File
from services.contract.folders import Folder
from services.contract.passages import Passage

MAX_FILE_BYTES = 30 * 1024 * 1024  # bytes; the gateway takes requests of 32 MiB
MAX_PAGE_BYTES = 8 * 1024 * 1024  # bytes of all texts of a page; the gateway passes answers of 32 MiB
MAX_NAME_CHARS = 255
UNKNOWN_TYPE = "application/octet-stream"  # what senders say who do not know

DuplicateHandling = Literal["skip", "error", "suffix", "replace"]


class FileNotFound(NotFound):
    """The folder has no such file."""

    reason = "FILE_NOT_FOUND"

    def __init__(self, folder_id: str, file_id: str) -> None:
        super().__init__(f"Folder {folder_id} has no file {file_id}.")


class FileExists(AlreadyExists):
    """The folder has a file of this name, and the sender wants neither another name nor to replace it."""

    reason = "FILE_EXISTS"


class FileTooLarge(InvalidArgument):
    """The file is larger than any that is taken."""

    http_status = 413
    reason = "FILE_TOO_LARGE"


class BadFileName(InvalidArgument):
    """The name cannot be that of a file."""


class Store(Protocol):
    """Where files are kept. Every method runs in the transaction of its caller."""

    async def insert(self, tx: Transaction, file: File, raw: bytes) -> None:
        """Adds a file that is still to be read."""

    async def names(self, tx: Transaction, organization_id: str, folder_id: str) -> dict[str, str]:
        """The ids of a folder's files, by name."""

    async def find(
        self, tx: Transaction, organization_id: str, folder_id: str, file_id: str, *, with_text: bool = False
    ) -> File | None:
        """A file of a folder."""

    async def list_page(self, tx: Transaction, organization_id: str, folder_id: str, page: Page) -> list[File]:
        """A page of a folder's files, by when they were uploaded."""

    async def read_texts(
        self, tx: Transaction, organization_id: str, file_ids: Sequence[str], most_bytes: int
    ) -> dict[str, str | None]:
        """The texts of the first of these files, as many as have so many bytes together, but at least one; by id."""

    async def list_passages(self, tx: Transaction, organization_id: str, folder_id: str, page: Page) -> list[Passage]:
        """A page of the pieces in which a folder's files are searched."""

    async def delete(self, tx: Transaction, organization_id: str, folder_id: str, file_id: str) -> bool:
        """Deletes a file, also from agents, and says whether there was one."""


class Files:
    """The files of all folders. What a new one holds is read afterwards, by `Ingestion`, which `uploaded` wakes."""

    def __init__(
        self,
        database: Database,
        folders: folders.Store,
        store: Store,
        prompts: folders.Prompts,
        uploaded: asyncio.Event,
    ) -> None:
        self._database = database
        self._folders = folders
        self._store = store
        self._prompts = prompts
        self._uploaded = uploaded

    async def upload(
        self, caller: Caller, folder_id: str, sent: Upload, *, name: str, duplicates: DuplicateHandling
    ) -> File:
        """Stores a file; its name is answered with the folder's before it. Two of one name get different names.

        Raises `FolderNotFound`, `FileExists`, `FileTooLarge`, `BadFileName`.
        """
        if len(sent.data) > MAX_FILE_BYTES:
            raise FileTooLarge(f"The file has {len(sent.data)} bytes; at most {MAX_FILE_BYTES} are taken.")
        wanted = _check_name(last_part(name or sent.name))
        organization_id = caller.organization_id
        async with self._database.begin() as tx:
            folder = await find_folder(self._folders, tx, organization_id, folder_id, lock=True)
            taken = await self._store.names(tx, organization_id, folder_id)
            if wanted in taken and duplicates == "error":
                raise FileExists(f"The file {wanted!r} already exists in folder {folder.name!r}.", should_retry=False)
            if wanted in taken and duplicates == "skip":
                return await self._find(tx, caller, folder_id, taken[wanted])
            if wanted in taken and duplicates == "replace":
                await self._delete(tx, caller, folder_id, taken.pop(wanted))
            file = _new_file(folder, sent, wanted, free_name(wanted, taken))
            await self._store.insert(tx, file, sent.data)
        self._uploaded.set()
        return file.model_copy(update={"file_name": f"{folder.name}/{file.file_name}"})

    async def get(self, caller: Caller, folder_id: str, file_id: str, *, with_text: bool) -> File:
        """One file. Raises `FileNotFound`."""
        async with self._database.begin() as tx:
            return await self._find(tx, caller, folder_id, file_id, with_text=with_text)

    async def list_page(self, caller: Caller, folder_id: str, page: Page, *, with_text: bool) -> list[File]:
        """A page of a folder's files, by when they were uploaded; with texts, a shorter one where these are long.

        Raises `FolderNotFound`, `CursorNotFound`.
        """
        async with self._database.begin() as tx:
            await find_folder(self._folders, tx, caller.organization_id, folder_id)
            files = await self._store.list_page(tx, caller.organization_id, folder_id, page)
            if not with_text or not files:
                return files
            ids = [file.id for file in files]
            texts = await self._store.read_texts(tx, caller.organization_id, ids, MAX_PAGE_BYTES)
        return [file.model_copy(update={"content": texts[file.id]}) for file in files if file.id in texts]

    async def list_passages(self, caller: Caller, folder_id: str, page: Page) -> Sequence[Passage]:
        """A page of the pieces in which a folder's files are searched. Raises `FolderNotFound`, `CursorNotFound`."""
        async with self._database.begin() as tx:
            await find_folder(self._folders, tx, caller.organization_id, folder_id)
            return await self._store.list_passages(tx, caller.organization_id, folder_id, page)

    async def delete(self, caller: Caller, folder_id: str, file_id: str) -> None:
        """Deletes a file, also from the agents that see it. Raises `FolderNotFound`, `FileNotFound`."""
        async with self._database.begin() as tx:
            await find_folder(self._folders, tx, caller.organization_id, folder_id, lock=True)
            await self._delete(tx, caller, folder_id, file_id)

    async def _delete(self, tx: Transaction, caller: Caller, folder_id: str, file_id: str) -> None:
        agent_ids = await self._folders.lock_agents(tx, caller.organization_id, folder_id)
        if not await self._store.delete(tx, caller.organization_id, folder_id, file_id):
            raise FileNotFound(folder_id, file_id)
        await self._prompts.refresh_own(tx, caller.organization_id, agent_ids)

    async def _find(
        self, tx: Transaction, caller: Caller, folder_id: str, file_id: str, *, with_text: bool = False
    ) -> File:
        file = await self._store.find(tx, caller.organization_id, folder_id, file_id, with_text=with_text)
        if file is None:
            raise FileNotFound(folder_id, file_id)
        return file


def _check_name(name: str) -> str:
    if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise BadFileName(
            f"{name[:MAX_NAME_CHARS]!r} cannot be the name of a file: it needs 1 to {MAX_NAME_CHARS} printable "
            "characters. Give another with the query parameter `name`."
        )
    return name


def _new_file(folder: Folder, sent: Upload, original_name: str, name: str) -> File:
    now = datetime.now(UTC)
    sent_type = sent.media_type.partition(";")[0].strip().replace("\0", "")
    return File(
        id=new_id("file"),
        source_id=folder.id,
        organization_id=folder.organization_id,
        file_name=name,
        original_file_name=original_name,
        file_type=(sent_type if sent_type != UNKNOWN_TYPE else "") or mimetypes.guess_type(name)[0],
        file_size=len(sent.data),
        processing_status="parsing",
        created_at=now,
        updated_at=now,
    )
