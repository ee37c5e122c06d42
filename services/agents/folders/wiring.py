"""The objects of folders and files, put together."""

import asyncio

from services.agents.agents.agents import Agents
from services.agents.agents.catalogs import Tools
from services.agents.agents.creation import Creation
from services.agents.agents.store import PostgresAgents
from services.agents.archives.embedding import Embedding
from services.agents.combined import Combined
from services.agents.equipment.store import PostgresAgentTools
from services.agents.folders.agent_folders import AgentFolders
from services.agents.folders.attachments import Attachments
from services.agents.folders.audience import FolderAudience
from services.agents.folders.desk import Desk
from services.agents.folders.files import Files
from services.agents.folders.folders import Folders
from services.agents.folders.ingestion import Ingestion, Pace
from services.agents.folders.open_files import OpenFiles
from services.agents.folders.rest.agents import AttachmentOperations, DeskOperations
from services.agents.folders.rest.folders import FileOperations, FolderOperations
from services.agents.folders.store.files import PostgresFiles
from services.agents.folders.store.folders import PostgresFolders
from services.agents.folders.store.passages import PostgresFilePassages
from services.agents.folders.store.queue import PostgresFileQueue
from services.agents.folders.store.views import PostgresFileViews
from services.agents.folders.text_reader import TextReader
from services.agents.folders.tools import FileTools
from services.agents.memory.system_prompts import SystemPrompts
from services.common.database import Database


class FolderParts:
    """Makes them from what the other subjects have. `agent_folders` comes first: system messages need it."""

    def __init__(self, database: Database, agent_tools: PostgresAgentTools) -> None:
        self._database = database
        self._store = PostgresFolders()
        self._open_files = OpenFiles(PostgresFileViews())
        self._uploaded = asyncio.Event()
        self.agent_folders = AgentFolders(self._store, self._open_files, agent_tools)

    def tools(self, agents: Agents) -> FileTools:
        """The file tools of agents."""
        return FileTools(self._open_files, self._store, PostgresFilePassages(), agents)

    def operations(self, agents: Agents, creation: Creation, prompts: SystemPrompts, tools: Tools) -> Combined:
        """All REST operations."""
        database, store = self._database, self._store
        attachments = Attachments(database, self.agent_folders, prompts, agents, tools)
        return Combined(
            FolderOperations(Folders(database, store, creation, self.agent_folders, prompts), agents),
            FileOperations(Files(database, store, PostgresFiles(), prompts, self._uploaded)),
            AttachmentOperations(attachments),
            DeskOperations(Desk(database, self._open_files, prompts, agents)),
        )

    def ingestion(self, prompts: SystemPrompts, embedding: Embedding, pace: Pace) -> Ingestion:
        """What processes uploaded files."""
        audience = FolderAudience(self._store, PostgresAgents(), self._open_files, prompts)
        return Ingestion(
            self._database,
            PostgresFileQueue(),
            TextReader(),
            audience,
            embedding,
            uploaded=self._uploaded,
            pace=pace,
        )
