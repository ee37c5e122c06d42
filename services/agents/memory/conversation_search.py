"""The agent's search in its own past messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

from pydantic import Field

from perdure.conversation.v1.message_pb2 import ROLE_ASSISTANT, ROLE_TOOL, ROLE_USER, Message
from services.agents.agents.agents import Agents
from services.agents.messages.messages import Wanted
from services.agents.moments import read_moment
from services.common.call_arguments import CallArguments
from services.common.database import Transaction

DEFAULT_RESULTS = 10
MAX_RESULTS = 100
MAX_MINUTES = 100 * 366 * 24 * 60  # a century; further back there is nothing to find
RESULT_CHARS = 2000  # characters of one found message; longer ones are cut, the agent's context is limited
_ROLES = {"assistant": ROLE_ASSISTANT, "user": ROLE_USER, "tool": ROLE_TOOL}
_ROLE_NAMES = {number: name for name, number in _ROLES.items()}


class SearchArguments(CallArguments):
    """Of conversation_search. Dates are days or times in ISO 8601, in the agent's zone where they name none."""

    query: str | None = None
    roles: list[Literal["assistant", "user", "tool"]] | None = None
    limit: int | None = Field(default=None, ge=1, le=MAX_RESULTS)
    start_date: str | None = None
    end_date: str | None = None


class RecallArguments(CallArguments):
    """Of search_memory. Without queries every message of the time fits; without a beginning or an end it is open."""

    convo_keyword_queries: list[str] | None = None
    start_minutes_ago: int | None = Field(default=None, ge=0, le=MAX_MINUTES)
    end_minutes_ago: int | None = Field(default=None, ge=0, le=MAX_MINUTES)


class Messages(Protocol):
    """Where messages are kept."""

    async def search(
        self, tx: Transaction, organization_id: str, agent_id: str, wanted: Wanted, limit: int
    ) -> list[Message]:
        """The newest of the messages in all conversations of an agent."""


@dataclass(frozen=True)
class _Clock:
    """The time, and where the agent reads it."""

    now: datetime
    timezone: str


class ConversationSearch:
    """Finds messages by words, roles and dates."""

    def __init__(self, messages: Messages, agents: Agents) -> None:
        self._messages = messages
        self._agents = agents

    async def run(self, tx: Transaction, organization_id: str, agent_id: str, sent: SearchArguments) -> str:
        """The found messages, the newest first, as the text of a Python literal. Two statements."""
        clock = await self._clock(tx, organization_id, agent_id)
        wanted = Wanted(
            words=sent.query or "",
            roles=[_ROLES[name] for name in sent.roles or _ROLES],
            since=read_moment(sent.start_date, end_of_day=False, timezone=clock.timezone),
            until=read_moment(sent.end_date, end_of_day=True, timezone=clock.timezone),
        )
        found = await self._messages.search(tx, organization_id, agent_id, wanted, sent.limit or DEFAULT_RESULTS)
        return str(_show(found, clock))

    async def recall(self, tx: Transaction, organization_id: str, agent_id: str, sent: RecallArguments) -> str:
        """The newest messages that fit one of the queries, as `run` shows them. A statement, and one for each query."""
        clock = await self._clock(tx, organization_id, agent_id)
        found: dict[str, Message] = {}
        for query in sent.convo_keyword_queries or [""]:
            wanted = Wanted(
                words=query,
                roles=list(_ROLE_NAMES),
                since=_minutes_before(clock.now, sent.start_minutes_ago),
                until=_minutes_before(clock.now, sent.end_minutes_ago),
            )
            messages = await self._messages.search(tx, organization_id, agent_id, wanted, DEFAULT_RESULTS)
            found |= {message.id: message for message in messages}
        newest = sorted(found.values(), key=lambda message: message.created_at.ToNanoseconds(), reverse=True)
        return str(_show(newest[:DEFAULT_RESULTS], clock))

    async def _clock(self, tx: Transaction, organization_id: str, agent_id: str) -> _Clock:
        agent = await self._agents.find(tx, organization_id, agent_id)
        return _Clock(datetime.now(UTC), agent.timezone or "UTC")


def _minutes_before(now: datetime, minutes: int | None) -> datetime | None:
    return None if minutes is None else now - timedelta(minutes=minutes)


def _show(found: Sequence[Message], clock: _Clock) -> dict[str, object]:
    results = [_result(message, clock, rank) for rank, message in enumerate(found, 1)]
    return {"message": f"Showing {len(results)} results:", "results": results}


def _result(message: Message, clock: _Clock, rank: int) -> dict[str, object]:
    made_at = message.created_at.ToDatetime(tzinfo=ZoneInfo(clock.timezone))
    return {
        "timestamp": made_at.isoformat(timespec="seconds"),
        "time_ago": time_ago(clock.now - made_at),
        "role": _ROLE_NAMES[message.role],
        "relevance": {"rank": rank},
        "content": _words(message)[:RESULT_CHARS],
    }


def _words(message: Message) -> str:
    """The text of a message: what was said, thought or returned."""
    texts = []
    for part in message.parts:
        match part.WhichOneof("kind"):
            case "text":
                texts.append(part.text)
            case "reasoning":
                texts.append(part.reasoning.text)
            case "tool_call":
                texts.append(f"{part.tool_call.name}({part.tool_call.arguments})")
            case "tool_return":
                texts.append(part.tool_return.value)
            case _:
                continue
    return "\n".join(text for text in texts if text)


def time_ago(passed: timedelta) -> str:
    """How long ago, in the largest unit that fits: "3d ago", "2h ago", "5m ago", "10s ago"."""
    seconds = max(int(passed.total_seconds()), 0)
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit} ago"
    return f"{seconds}s ago"
