"""Compaction: making room in the context window of a running turn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from perdure.conversation.v1.message_pb2 import ROLE_SUMMARY, Message
from perdure.conversation.v1.model_pb2 import ToolDefinition
from services.agents.messages.clipping import clip_text
from services.agents.messages.drafts import Origin
from services.agents.messages.messages import Messages
from services.agents.turns.cut import Cut, Limits, plan_cut
from services.agents.turns.errors import AttemptSuperseded, NothingToRemove, TurnEnded, TurnNotFound
from services.agents.turns.pairing import repair
from services.agents.turns.reading import read_agent, read_tools
from services.agents.turns.summaries import Material, Summaries
from services.agents.turns.token_count import tokens_per_char, tool_chars
from services.agents.turns.turn import Turn, TurnAgent
from services.agents.turns.turn_store import Compaction, LockedTurn, TurnStore
from services.common.database import Database, Transaction
from services.contract.compaction import CompactionSettings

SUMMARY_SHARE = 0.25  # of the room, for the summary at most
LEAST_SUMMARY_CHARS = 500  # characters; less could not stand in for anything
LEAST_KEPT_SHARE = 0.1  # of the context window, whatever the settings say


@dataclass(frozen=True)
class Compacted:
    """A window after its compaction, oldest first. `summary` is None when messages were only cut."""

    window: Sequence[Message]
    window_version: int
    summary: Message | None = None


@dataclass(frozen=True)
class _Situation:
    """A window that is too large, and everything that decides what goes."""

    turn: Turn
    window: Sequence[Message]
    ranks: dict[str, int]  # by message id
    agent: TurnAgent
    tools: Sequence[ToolDefinition]
    settings: CompactionSettings
    tokens_per_char: float


class TurnCompactor:
    """Compacts the windows of active turns."""

    def __init__(
        self,
        database: Database,
        store: TurnStore,
        messages: Messages,
        summaries: Summaries,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._store = store
        self._messages = messages
        self._summaries = summaries
        self._now = now

    async def compact(
        self, organization_id: str, run_id: str, *, attempt: int, window_version: int, target_tokens: int
    ) -> Compacted:
        """Replaces the oldest steps by a summary; without one where no model writes it.

        `target_tokens` 0: what the agent's settings say. A window that has changed since `window_version` is answered
        as it is. No transaction is open while the model writes.
        Raises `TurnNotFound`, `AttemptSuperseded`, `TurnEnded`, `NothingToRemove`.
        """
        async with self._database.begin() as tx:
            locked = await self._lock(tx, organization_id, run_id, attempt)
            if locked.window_version != window_version:
                return await self._present(tx, organization_id, locked.turn, locked.window_version)
            situation = await self._look(tx, organization_id, locked)
        room = target_tokens or int(situation.agent.context_window * _kept_share(situation.settings))
        chars = int(room / situation.tokens_per_char)
        cut = _plan(situation, chars)
        if cut.is_empty:
            raise NothingToRemove(locked.turn.conversation_id)
        text = await self._summarise(organization_id, situation, cut) if cut.worth_a_summary else None
        change = self._change(situation, cut, clip_text(text, _summary_chars(chars)) if text else None)
        async with self._database.begin() as tx:
            again = await self._lock(tx, organization_id, run_id, attempt)
            if again.window_version != window_version:
                return await self._present(tx, organization_id, again.turn, again.window_version)
            await self._store.compact(tx, organization_id, again, change)
            return await self._present(tx, organization_id, again.turn, window_version + 1, change.summary)

    async def _lock(self, tx: Transaction, organization_id: str, run_id: str, attempt: int) -> LockedTurn:
        locked = await self._store.lock_turn(tx, organization_id, run_id)
        if locked is None:
            known = await self._store.get(tx, organization_id, run_id) is not None
            raise TurnEnded(run_id) if known else TurnNotFound(run_id)
        if attempt != locked.turn.attempt:
            raise AttemptSuperseded(run_id, attempt=attempt, current=locked.turn.attempt)
        if not locked.turn.is_active:
            raise TurnEnded(run_id)
        return locked

    async def _look(self, tx: Transaction, organization_id: str, locked: LockedTurn) -> _Situation:
        turn = locked.turn
        stored = await self._store.lock_conversation(tx, organization_id, turn.conversation_id)
        assert stored is not None  # the turn's lock has just found it
        terms = await self._store.compaction_terms(tx, organization_id, turn.conversation_id)
        ranked = await self._messages.read_ranked_window(tx, organization_id, turn.conversation_id)
        window, tools = [message for message, _ in ranked], read_tools(stored)
        return _Situation(
            turn=turn,
            window=window,
            ranks={message.id: rank for message, rank in ranked},
            agent=read_agent(stored),
            tools=tools,
            settings=CompactionSettings.model_validate(terms.settings),
            tokens_per_char=tokens_per_char(window, tool_chars(tools), terms.context_tokens),
        )

    async def _summarise(self, organization_id: str, situation: _Situation, cut: Cut) -> str | None:
        material = Material(
            organization_id,
            situation.turn.run_id,
            situation.agent,
            situation.window[0],
            cut.evicted,
            situation.tokens_per_char,
        )
        return await self._summaries.write(material, situation.settings)

    def _change(self, situation: _Situation, cut: Cut, text: str | None) -> Compaction:
        ranks = [situation.ranks[message.id] for message in cut.evicted]
        if text is None:
            return Compaction(ranks, cut.clipped_to)
        turn = situation.turn
        origin = Origin(situation.agent.id, turn.conversation_id, self._now(), turn.run_id)
        return Compaction(ranks, cut.clipped_to, origin.text(ROLE_SUMMARY, text), max(ranks))

    async def _present(
        self, tx: Transaction, organization_id: str, turn: Turn, version: int, summary: Message | None = None
    ) -> Compacted:
        window = await self._messages.read_window(tx, organization_id, turn.conversation_id)
        return Compacted(repair(window, turn.request_id).window, version, summary)


def _plan(situation: _Situation, chars: int) -> Cut:
    turn = situation.turn
    evicts_all = situation.settings.mode in ("all", "self_compact_all")
    limits = Limits(
        chars=chars,
        other_chars=tool_chars(situation.tools),
        summary_chars=int(chars * SUMMARY_SHARE),
        share=1.0 if evicts_all else situation.settings.sliding_window_percentage,
    )
    kept = {*turn.input_ids, turn.request_id or ""}
    return plan_cut(situation.window, kept_ids=kept, latest_run_id=turn.run_id, limits=limits)


def _summary_chars(chars: int) -> int:
    return max(int(chars * SUMMARY_SHARE), LEAST_SUMMARY_CHARS)


def _kept_share(settings: CompactionSettings) -> float:
    """The share of the context window that may be full afterwards."""
    return max(1.0 - settings.sliding_window_percentage, LEAST_KEPT_SHARE)
