"""Which files of its folders an agent has open: the last ones that it used, as many as it may have."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from services.agents.folders.views import LineRange, lines_of, show_lines
from services.agents.paging import Page
from services.common.database import Transaction
from services.common.errors import InvalidArgument, NotFound
from services.contract.agents import AgentState


class FileNotAttached(NotFound):
    """None of the agent's folders has such a file, or its text has not been read yet."""

    reason = "FILE_NOT_ATTACHED"


class NoFilesOpen(InvalidArgument):
    """The agent may have no file open."""

    reason = "NO_FILES_OPEN"


class BeyondTheEnd(InvalidArgument):
    """The file ends before the line that was asked for."""


@dataclass(frozen=True)
class FileView:
    """What an agent sees of a file; a closed one shows nothing."""

    id: str
    file_id: str
    file_name: str
    folder_id: str
    folder_name: str
    is_open: bool
    last_accessed_at: datetime
    start_line: int | None
    end_line: int | None
    visible_content: str

    @property
    def path(self) -> str:
        """How agents name the file."""
        return f"{self.folder_name}/{self.file_name}"

    @property
    def lines(self) -> LineRange | None:
        """The part that is shown, None for all."""
        return LineRange(self.start_line, self.end_line) if self.start_line and self.end_line else None


@dataclass(frozen=True)
class FilePage:
    """A page of views, and whether there are more."""

    views: Sequence[FileView]
    has_more: bool


class Store(Protocol):
    """Where views are kept. Every method runs in the transaction of its caller."""

    async def of_agent(self, tx: Transaction, organization_id: str, agent_id: str) -> list[FileView]:
        """All of an agent, the oldest files first."""

    async def list_page(
        self, tx: Transaction, organization_id: str, agent_id: str, page: Page, *, is_open: bool | None
    ) -> list[FileView]:
        """A page of an agent's views, by when it got them."""

    async def add_folder(self, tx: Transaction, organization_id: str, agent_id: str, folder_id: str) -> list[str]:
        """Gives an agent a closed view of each readable file of a folder, where it has none; the files' ids."""

    async def remove_folder(self, tx: Transaction, organization_id: str, agent_id: str, folder_id: str) -> None:
        """Takes the views of a folder's files from an agent."""

    async def read_text(self, tx: Transaction, organization_id: str, file_id: str) -> str:
        """The text of a readable file."""

    async def show(
        self, tx: Transaction, organization_id: str, view_id: str, content: str, lines: LineRange | None
    ) -> None:
        """Opens a view, used just now."""

    async def rewrite(self, tx: Transaction, organization_id: str, view_id: str, content: str) -> None:
        """Replaces what an open view shows."""

    async def touch(self, tx: Transaction, organization_id: str, agent_id: str, file_ids: Sequence[str]) -> None:
        """Says that files were used just now."""

    async def close(
        self, tx: Transaction, organization_id: str, agent_id: str, file_ids: Sequence[str] | None = None
    ) -> list[str]:
        """Closes files, all when none are named; the ids of those that were open."""

    async def close_oldest(self, tx: Transaction, organization_id: str, agent_id: str, kept: int) -> list[str]:
        """Closes all but the files used last; the ids of those that were open."""


class OpenFiles:
    """Opens and closes files for agents, in the transaction of the caller, who has locked the agent."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def open(
        self, tx: Transaction, organization_id: str, agent: AgentState, file: FileView, lines: LineRange | None = None
    ) -> list[str]:
        """Shows a file or some of its lines; the paths of the files that had to be closed.

        Raises `NoFilesOpen`, `BeyondTheEnd`.
        """
        if not agent.max_files_open:
            raise NoFilesOpen(f"Agent {agent.id} may have no file open: its max_files_open is 0.")
        text = await self.read(tx, organization_id, file)
        part = await asyncio.to_thread(_part, file.path, text, lines) if lines else None
        content = await asyncio.to_thread(show_lines, text, agent.per_file_view_window_char_limit or 0, part)
        await self._store.show(tx, organization_id, file.id, content, part)
        return await self._close_oldest(tx, organization_id, agent)

    async def add_folder(self, tx: Transaction, organization_id: str, agent: AgentState, folder_id: str) -> None:
        """Opens the files of a folder that the agent did not know, the newest where there is no room for all."""
        new = await self._store.add_folder(tx, organization_id, agent.id, folder_id)
        views = [one for one in await self._store.of_agent(tx, organization_id, agent.id) if one.file_id in new]
        for view in views[-agent.max_files_open :] if agent.max_files_open else []:
            await self.open(tx, organization_id, agent, view)

    async def remove_folder(self, tx: Transaction, organization_id: str, agent: AgentState, folder_id: str) -> None:
        """Closes the files of a folder that the agent no longer has."""
        await self._store.remove_folder(tx, organization_id, agent.id, folder_id)

    async def list_all(self, tx: Transaction, organization_id: str, agent_id: str) -> list[FileView]:
        """The files of the agent's folders, the oldest first."""
        return await self._store.of_agent(tx, organization_id, agent_id)

    async def fit(self, tx: Transaction, organization_id: str, agent: AgentState) -> None:
        """Brings what is open into line with the agent's limits, after they have changed."""
        await self._close_oldest(tx, organization_id, agent)
        for view in await self._store.of_agent(tx, organization_id, agent.id):
            if view.is_open:
                text = await self.read(tx, organization_id, view)
                chars = agent.per_file_view_window_char_limit or 0
                content = await asyncio.to_thread(show_lines, text, chars, view.lines)
                await self._store.rewrite(tx, organization_id, view.id, content)

    async def close(
        self, tx: Transaction, organization_id: str, agent: AgentState, file_ids: Sequence[str] | None = None
    ) -> list[str]:
        """Closes files, all when none are named; the paths of those that were open."""
        closed = await self._store.close(tx, organization_id, agent.id, file_ids)
        return await self._paths(tx, organization_id, agent, closed)

    async def read(self, tx: Transaction, organization_id: str, file: FileView) -> str:
        """The text of a file."""
        return await self._store.read_text(tx, organization_id, file.file_id)

    async def touch(self, tx: Transaction, organization_id: str, agent_id: str, files: Sequence[FileView]) -> None:
        """Says that an agent used files just now: they stay open longer than others."""
        if files:
            await self._store.touch(tx, organization_id, agent_id, [file.file_id for file in files])

    async def find(self, tx: Transaction, organization_id: str, agent: AgentState, file_id: str) -> FileView:
        """A file of the agent's folders. Raises `FileNotAttached`."""
        for view in await self._store.of_agent(tx, organization_id, agent.id):
            if view.file_id == file_id:
                return view
        raise FileNotAttached(f"Agent {agent.id} has no readable file {file_id}.")

    async def list_page(
        self, tx: Transaction, organization_id: str, agent_id: str, page: Page, *, is_open: bool | None
    ) -> FilePage:
        """A page of the files of the agent's folders. Raises `CursorNotFound`."""
        longer = replace(page, limit=page.limit + 1)
        views = await self._store.list_page(tx, organization_id, agent_id, longer, is_open=is_open)
        return FilePage(views[: page.limit], has_more=len(views) > page.limit)

    async def _close_oldest(self, tx: Transaction, organization_id: str, agent: AgentState) -> list[str]:
        closed = await self._store.close_oldest(tx, organization_id, agent.id, agent.max_files_open or 0)
        return await self._paths(tx, organization_id, agent, closed)

    async def _paths(
        self, tx: Transaction, organization_id: str, agent: AgentState, file_ids: Sequence[str]
    ) -> list[str]:
        if not file_ids:
            return []
        views = await self._store.of_agent(tx, organization_id, agent.id)
        return [view.path for view in views if view.file_id in file_ids]


def _part(path: str, text: str, lines: LineRange) -> LineRange:
    """The lines that there are."""
    count = len(lines_of(text))
    if lines.first > count:
        raise BeyondTheEnd(f"{path} has {count} lines; line {lines.first} does not exist.")
    return lines.within(count)
