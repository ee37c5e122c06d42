"""What a compaction does to a context window, whoever asks for it: a turn that needs room, or a client."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from perdure.conversation.v1.message_pb2 import ROLE_SUMMARY, Message
from perdure.conversation.v1.model_pb2 import ToolDefinition
from services.agents.messages.clipping import clip_text
from services.agents.messages.drafts import Origin
from services.agents.messages.messages import Messages
from services.agents.turns.cut import Cut, Limits, plan_cut
from services.agents.turns.reading import read_agent, read_tools
from services.agents.turns.summaries import Material, Summaries
from services.agents.turns.token_count import tokens_per_char, tool_chars
from services.agents.turns.turn import TurnAgent
from services.agents.turns.turn_store import Compaction, LockedConversation, TurnStore
from services.common.database import Transaction
from services.contract.compaction import CompactionSettings

SUMMARY_SHARE = 0.25  # of the room, for the summary at most
LEAST_SUMMARY_CHARS = 500  # characters; less could not stand in for anything
LEAST_KEPT_SHARE = 0.1  # of the context window, whatever the settings say


@dataclass(frozen=True)
class Keeping:
    """What stays in a window: the messages with these ids, and the latest step of the run that goes on."""

    ids: frozenset[str] = frozenset()
    run_id: str | None = None


@dataclass(frozen=True)
class Situation:
    """A window that is to shrink, and everything that decides what goes."""

    organization_id: str
    conversation_id: str
    window: Sequence[Message]
    ranks: dict[str, int]  # by message id
    keeping: Keeping
    agent: TurnAgent
    tools: Sequence[ToolDefinition]
    settings: CompactionSettings
    tokens_per_char: float

    @property
    def room(self) -> int:
        """The characters that may be full afterwards, by the settings."""
        share = max(1.0 - self.settings.sliding_window_percentage, LEAST_KEPT_SHARE)
        return self.chars(int(self.agent.context_window * share))

    def chars(self, tokens: int) -> int:
        """About how many characters these tokens have."""
        return int(tokens / self.tokens_per_char)


class WindowCompactor:
    """Looks at windows, and says how they change."""

    def __init__(
        self, store: TurnStore, messages: Messages, summaries: Summaries, *, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._messages = messages
        self._summaries = summaries
        self._now = now

    async def look(
        self,
        tx: Transaction,
        organization_id: str,
        conversation: LockedConversation,
        keeping: Keeping,
        settings: CompactionSettings | None = None,
    ) -> Situation:
        """The window of a locked conversation, under these settings or else the agent's. Two statements."""
        terms = await self._store.compaction_terms(tx, organization_id, conversation.id)
        ranked = await self._messages.read_ranked_window(tx, organization_id, conversation.id)
        window, tools = [message for message, _ in ranked], read_tools(conversation)
        return Situation(
            organization_id=organization_id,
            conversation_id=conversation.id,
            window=window,
            ranks={message.id: rank for message, rank in ranked},
            keeping=keeping,
            agent=read_agent(conversation),
            tools=tools,
            settings=settings or CompactionSettings.model_validate(terms.settings),
            tokens_per_char=tokens_per_char(window, tool_chars(tools), terms.context_tokens),
        )

    async def summarise(self, situation: Situation, evicted: Sequence[Message]) -> str | None:
        """What stands in for the messages that go. None when no model writes it. Takes as long as the model does."""
        material = Material(
            situation.organization_id,
            situation.keeping.run_id or "",
            situation.agent,
            situation.window[0],
            evicted,
            situation.tokens_per_char,
        )
        return await self._summaries.write(material, situation.settings)

    def change(self, situation: Situation, cut: Cut, text: str | None, chars: int) -> Compaction:
        """The change of the window, with the summary cut to its share of `chars`."""
        ranks = [situation.ranks[message.id] for message in cut.evicted]
        if text is None:
            return Compaction(ranks, cut.clipped_to)
        most = max(int(chars * SUMMARY_SHARE), LEAST_SUMMARY_CHARS)
        origin = Origin(situation.agent.id, situation.conversation_id, self._now(), situation.keeping.run_id or "")
        return Compaction(ranks, cut.clipped_to, origin.text(ROLE_SUMMARY, clip_text(text, most)), max(ranks))


def plan(situation: Situation, chars: int) -> Cut:
    """What goes so that the rest has no more than `chars` characters, and as much as the settings say."""
    evicts_all = situation.settings.mode in ("all", "self_compact_all")
    limits = Limits(
        chars=chars,
        other_chars=tool_chars(situation.tools),
        summary_chars=int(chars * SUMMARY_SHARE),
        share=1.0 if evicts_all else situation.settings.sliding_window_percentage,
    )
    keeping = situation.keeping
    return plan_cut(situation.window, kept_ids=keeping.ids, latest_run_id=keeping.run_id, limits=limits)
