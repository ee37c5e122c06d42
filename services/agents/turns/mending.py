"""Mending histories that came from outside: what providers would refuse is changed in what is stored."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from perdure.conversation.v1.message_pb2 import ROLE_TOOL, Message
from services.agents.conversations.errors import ConversationNotFound
from services.agents.messages.messages import Messages
from services.agents.turns.turn_store import TurnStore
from services.common.caller import Caller
from services.common.conversation_busy import ConversationBusy
from services.common.database import Database, Transaction
from services.common.ids import new_id
from services.common.pairing import repair
from services.contract.repairs import RepairAnswer, RepairedConversation


@dataclass
class Mending:
    """How a stored window becomes one that keeps the rule. `window` are the ids of its messages, oldest first.

    `added` are messages with the ids of those that they follow; `rewritten` replace stored ones of the same ids.
    """

    window: list[str] = field(default_factory=list)
    added: list[tuple[Message, str]] = field(default_factory=list)
    rewritten: list[Message] = field(default_factory=list)


class MendingStore(Protocol):
    """Where histories are kept. Every method runs in the transaction of its caller."""

    async def conversation_ids(self, tx: Transaction, organization_id: str, agent_id: str) -> list[str]:
        """The agent's conversations, its own history among them. None for an agent that does not exist."""

    async def mend(self, tx: Transaction, organization_id: str, conversation_id: str, mending: Mending) -> None:
        """Changes a locked conversation."""

    async def void_request(self, tx: Transaction, organization_id: str, conversation_id: str) -> None:
        """Lets nobody wait for an answer to an approval request any more."""


class Mender:
    """Repairs stored histories."""

    def __init__(self, database: Database, turns: TurnStore, store: MendingStore, messages: Messages) -> None:
        self._database = database
        self._turns = turns
        self._store = store
        self._messages = messages

    async def mend_agent(self, caller: Caller, agent_id: str) -> RepairAnswer:
        """Repairs the context windows of all conversations of an agent, one after the other.

        Those with an active turn are left alone and named; a turn mends what it meets itself. Raises
        `ConversationNotFound` for an agent that does not exist.
        """
        async with self._database.begin() as tx:
            conversation_ids = await self._store.conversation_ids(tx, caller.organization_id, agent_id)
        if not conversation_ids:
            raise ConversationNotFound(agent_id)
        answer = RepairAnswer()
        for conversation_id in conversation_ids:
            try:
                problems = await self._mend(caller, conversation_id)
            except ConversationBusy:
                answer.busy.append(conversation_id)
                continue
            if problems:
                answer.repaired.append(RepairedConversation(conversation_id=conversation_id, problems=problems))
        return answer

    async def _mend(self, caller: Caller, conversation_id: str) -> list[str]:
        """Repairs one conversation: what was wrong with it."""
        organization_id = caller.organization_id
        async with self._database.begin() as tx:
            if await self._turns.lock_conversation(tx, organization_id, conversation_id) is None:
                return []
            hold = await self._turns.read_hold(tx, organization_id, "", conversation_id)
            if hold.active_run_id is not None:
                raise ConversationBusy(hold.active_run_id)
            window = await self._messages.read_window(tx, organization_id, conversation_id)
            open_id, problems = hold.pending_id, []
            if open_id is not None and not _still_waits(window, open_id):
                await self._store.void_request(tx, organization_id, conversation_id)
                problems.append(f"{open_id} waited for approval but was not the latest step")
                open_id = None
            mended = repair(window, open_id)
            if mended.problems:
                await self._store.mend(tx, organization_id, conversation_id, plan_mending(window, mended.window))
        return problems + mended.problems


def _still_waits(window: Sequence[Message], request_id: str) -> bool:
    """Whether nothing follows the request in the window."""
    return bool(window) and window[-1].id == request_id


def plan_mending(stored: Sequence[Message], mended: Sequence[Message]) -> Mending:
    """What has to change so that the stored window becomes the mended one."""
    tool_messages = {message.id: message for message in stored if message.role == ROLE_TOOL}
    mending = Mending()
    for message in mended:
        before = tool_messages.get(message.id)
        if message.role != ROLE_TOOL or message == before:
            mending.window.append(message.id)
        elif before is not None:
            mending.rewritten.append(message)
            mending.window.append(message.id)
        else:
            message.id = new_id("message")
            mending.added.append((message, mending.window[-1]))
            mending.window.append(message.id)
    return mending
