"""The tools with which agents read the files of their folders."""

import asyncio
import time
from collections.abc import Sequence
from itertools import islice
from typing import Protocol

from pydantic import Field

from services.agents.agents.agents import Agents
from services.agents.archives.embedding import Vectors
from services.agents.archives.search import Question, RankedPassages, find_passages
from services.agents.folders import agent_folders, grep
from services.agents.folders.open_files import FileNotAttached, FileView, OpenFiles
from services.agents.folders.views import LineRange
from services.agents.memory.workbench import CallingAgent
from services.common.call_arguments import CallArguments
from services.common.database import Transaction
from services.common.errors import InvalidArgument
from services.contract.agents import AgentState

GREP_S = 10.0  # seconds for one search; the step's transaction waits for it
MAX_CONTEXT_LINES = 20
MAX_RESULTS = 50  # pieces of one semantic search
MAX_PATTERN_CHARS = 1000
MAX_NAMED = 20  # files that are named where one was not found


class FileRequest(CallArguments):
    """A file to open: all of it, or `length` lines after the first `offset`."""

    file_name: str
    offset: int | None = Field(default=None, ge=0)
    length: int | None = Field(default=None, ge=1)

    @property
    def lines(self) -> LineRange | None:
        """The lines to show, None for all."""
        if self.offset is None and self.length is None:
            return None
        offset = self.offset or 0
        return LineRange(offset + 1, offset + self.length if self.length else None)


class OpenArguments(CallArguments):
    """Of open_files."""

    file_requests: list[FileRequest] = Field(min_length=1)
    close_all_others: bool = False


class GrepArguments(CallArguments):
    """Of grep_files."""

    pattern: str = Field(min_length=1, max_length=MAX_PATTERN_CHARS)
    include: str | None = Field(default=None, max_length=MAX_PATTERN_CHARS)
    context_lines: int | None = Field(default=1, ge=0, le=MAX_CONTEXT_LINES)
    offset: int | None = Field(default=0, ge=0)


class FileSearchArguments(CallArguments):
    """Of semantic_search_files."""

    query: str = Field(min_length=1)
    limit: int | None = Field(default=5, ge=1, le=MAX_RESULTS)


class TooManyFiles(InvalidArgument):
    """More files are asked for at once than the agent may have open."""


class Passages(RankedPassages, Protocol):
    """The pieces of files."""

    async def file_ids(self, tx: Transaction, organization_id: str, passage_ids: Sequence[str]) -> dict[str, str]:
        """The ids of the files that pieces are of, by the ids of the pieces."""


class FileTools:
    """What an agent does with the files of its folders, told to its model. Vectors must be known beforehand."""

    def __init__(
        self,
        open_files: OpenFiles,
        folders: agent_folders.Store,
        passages: Passages,
        agents: Agents,
    ) -> None:
        self._open_files = open_files
        self._folders = folders
        self._passages = passages
        self._agents = agents

    async def open(self, tx: Transaction, caller: CallingAgent, sent: OpenArguments) -> str:
        """Opens files. Raises `FileNotAttached`, `TooManyFiles`, `BeyondTheEnd`, `NoFilesOpen`."""
        organization_id = caller.organization_id
        agent = await self._agents.find(tx, organization_id, caller.agent_id, lock=True)
        if len(sent.file_requests) > (agent.max_files_open or 0):
            raise TooManyFiles(f"You may have {agent.max_files_open} files open, not {len(sent.file_requests)}.")
        views = await self._open_files.list_all(tx, organization_id, agent.id)
        wanted = [(_find(views, request.file_name), request.lines) for request in sent.file_requests]
        closed = await self._close_others(tx, caller, agent, wanted, views) if sent.close_all_others else []
        for file, lines in wanted:
            closed += await self._open_files.open(tx, organization_id, agent, file, lines)
        caller.outdated.add(agent.id)
        told = f"Opened {', '.join(file.path for file, _ in wanted)}."
        return f"{told} Closed {', '.join(closed)}." if closed else told

    async def _close_others(
        self,
        tx: Transaction,
        caller: CallingAgent,
        agent: AgentState,
        wanted: Sequence[tuple[FileView, LineRange | None]],
        views: Sequence[FileView],
    ) -> list[str]:
        kept = {file.file_id for file, _ in wanted}
        others = [view.file_id for view in views if view.file_id not in kept]
        return await self._open_files.close(tx, caller.organization_id, agent, others)

    async def grep(self, tx: Transaction, caller: CallingAgent, sent: GrepArguments) -> str:
        """Finds lines. Raises `BadPattern`, `SearchTooLong`."""
        deadline = time.monotonic() + GREP_S
        pattern = grep.read_pattern("pattern", sent.pattern)
        include = grep.read_pattern("include", sent.include) if sent.include else None
        context = 1 if sent.context_lines is None else sent.context_lines
        matches: list[grep.Match] = []
        views = await self._open_files.list_all(tx, caller.organization_id, caller.agent_id)
        for view in views:
            if include is None or include.search(view.path):
                text = await self._open_files.read(tx, caller.organization_id, view)
                found = grep.find_lines(pattern, view.path, text, context=context, deadline=deadline)
                matches += await asyncio.to_thread(list, islice(found, grep.MAX_MATCHES - len(matches)))
        used = {match.path for match in matches}
        await self._open_files.touch(tx, caller.organization_id, caller.agent_id, [v for v in views if v.path in used])
        return grep.print_matches(matches, sent.offset or 0)

    async def search(self, tx: Transaction, caller: CallingAgent, sent: FileSearchArguments, vectors: Vectors) -> str:
        """Finds pieces by their meaning, by their words where there is no embedding model. Raises `VectorsMissing`."""
        organization_id = caller.organization_id
        folders = (await self._folders.of_agents(tx, caller.organization_id, [caller.agent_id]))[caller.agent_id]
        question = Question(words=sent.query, limit=sent.limit or 5)
        hits = await find_passages(
            tx, self._passages, organization_id, within=folders, question=question, vectors=vectors
        )
        file_ids = await self._passages.file_ids(tx, organization_id, [hit.passage_id for hit in hits])
        views = await self._open_files.list_all(tx, organization_id, caller.agent_id)
        used = [view for view in views if view.file_id in file_ids.values()]
        await self._open_files.touch(tx, organization_id, caller.agent_id, used)
        paths = {view.file_id: view.path for view in used}
        found = [f"{paths[file_ids[hit.passage_id]]}:\n{hit.text}" for hit in hits if hit.passage_id in file_ids]
        return "\n\n".join([f"Found {len(found)} passages in {len(used)} files.", *found])


def _find(views: Sequence[FileView], name: str) -> FileView:
    """The file with a path, or the only one with a name."""
    named = [view for view in views if view.path == name] or [view for view in views if view.file_name == name]
    if len(named) == 1:
        return named[0]
    known = ", ".join(view.path for view in (named or views)[:MAX_NAMED]) or "none"
    problem = f"{len(named)} files are named" if named else "There is no file"
    raise FileNotAttached(f"{problem} {name!r}. Name one by its folder and name: {known}.")
