"""What a turn costs the database."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import asyncpg
import httpx
import pytest
from letta_client.types import AgentState

from services.cli.stack import Stack
from tests.e2e.waiting import eventually

MOST_STATEMENTS = 8  # besides BEGIN and COMMIT, for a turn of one step over all services
COMMITS = 4
TURNS = 8  # measured at each length of the history
HISTORY = 200  # messages
_LINE = re.compile(r"^(\d+)\|LOG:  (?:execute [^:]*|statement): (.+)$")
_BOUNDS = ("BEGIN", "COMMIT", "ROLLBACK")
# Beats, sweeps of requests and of turns and the look for their runs, files, traces, callbacks, changed tools.
_BACKGROUND = (
    "runs.replicas",
    "expires_at <=",
    "begun_at <=",
    "runs.id = ANY",
    "agents.files",
    "runs.trace_events",
    "callback_due_at=",
    "tools.outbox",
)


class StatementLog:
    """What Postgres was asked, read from its log."""

    def __init__(self, file: Path, database: asyncpg.Connection) -> None:
        self._file = file
        self._database = database

    async def mark(self) -> int:
        """The place in the log where what comes next will stand."""
        return await self._find("mark", 0)

    async def since(self, place: int) -> list[str]:
        """The statements of turns since a place: transactions in the background are left out."""
        end = await self._find("end", place)
        transactions: list[list[str]] = []
        current: dict[str, list[str]] = {}  # by session
        for session, statement in (match.groups() for line in self._lines(place, end) if (match := _LINE.match(line))):
            if statement.startswith("BEGIN") or session not in current:
                current[session] = []
                transactions.append(current[session])
            current[session].append(statement)
        return [one for transaction in transactions if not _is_background(transaction) for one in transaction]

    async def _find(self, word: str, place: int) -> int:
        """Writes a word into the log, and answers where it stands."""
        mark = f"SELECT '{word} {asyncio.get_running_loop().time()}'"
        await self._database.execute(mark)

        async def is_written() -> bool:
            return mark in self._file.read_text()[place:]

        await eventually(is_written)
        return self._file.read_text().index(mark, place)

    def _lines(self, start: int, end: int) -> Sequence[str]:
        return re.sub(r"\n(?!\d+\|)", " ", self._file.read_text()[start:end]).splitlines()


def _is_background(transaction: Sequence[str]) -> bool:
    return any(word in statement for statement in transaction for word in _BACKGROUND)


@pytest.fixture
async def statements(stack: Stack) -> AsyncIterator[StatementLog]:
    database = await asyncpg.connect(stack.environment["DATABASE_URL"])
    await set_logging(database, {"log_statement": "'all'", "log_line_prefix": "'%p|'"})
    yield StatementLog(stack.processes["postgres"].command.log, database)
    await set_logging(database, {"log_statement": "DEFAULT", "log_line_prefix": "DEFAULT"})
    await database.close()


async def set_logging(database: asyncpg.Connection, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        await database.execute(f"ALTER SYSTEM SET {name} = {value}")
    await database.execute("SELECT pg_reload_conf()")


async def measure_turn(http: httpx.AsyncClient, statements: StatementLog, agent_id: str) -> list[str]:
    """The statements of a turn of one step.

    Of several turns the cheapest: what the background or a new connection asks at the same time only adds to a turn.
    """
    path = f"/v1/agents/{agent_id}/messages"
    await http.post(path, json={"input": "Hello"})  # by then every process logs
    turns = []
    for _ in range(TURNS):
        place = await statements.mark()
        await http.post(path, json={"input": "Hello"})
        turns.append(await statements.since(place))
    return min(turns, key=len)


async def test_a_turn_of_one_step_takes_few_statements_whatever_the_history(
    http: httpx.AsyncClient, statements: StatementLog, agent: AgentState
) -> None:
    short = await measure_turn(http, statements, agent.id)
    said = [{"role": "user", "content": f"Message {number}"} for number in range(HISTORY)]
    await http.post(f"/v1/agents/{agent.id}/messages", json={"messages": said})
    long = await measure_turn(http, statements, agent.id)

    counted = [statement for statement in short if not statement.startswith(_BOUNDS)]
    assert len(counted) <= MOST_STATEMENTS, "\n".join(counted)
    assert sum(statement.startswith("COMMIT") for statement in short) <= COMMITS
    assert len(long) == len(short)
