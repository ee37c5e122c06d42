"""Turns and approvals in Postgres.

Who writes to a conversation locks its row first, then the turn, then the agent.
"""

from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, text

from services.agents.messages.stored_rows import STORE_MESSAGES, message_arrays
from services.agents.turns.opening import Opening
from services.agents.turns.turn import Turn, TurnState
from services.agents.turns.turn_store import (
    Compaction,
    CompactionTerms,
    Hold,
    LockedConversation,
    LockedTurn,
    Writing,
)
from services.common.database import Transaction

_TURN_COLUMNS = [field.name for field in fields(Turn)]
_TURN = ", ".join(f"turn.{name}" for name in _TURN_COLUMNS)

_LOCK_CONVERSATION = text(
    """
    SELECT conversation.id, conversation.agent_id, conversation.next_position, conversation.window_version,
        conversation.model AS own_model, conversation.model_settings AS own_model_settings,
        conversation.llm_config AS own_llm_config,
        agent.name, agent.agent_type, agent.model, agent.model_settings, agent.llm_config, agent.tool_rules,
        agent.message_buffer_autoclear AS forgets,
        ARRAY(
            SELECT definition FROM agents.agent_tools WHERE agent_id = agent.id ORDER BY position
        ) AS tools,
        ARRAY(SELECT tool_id FROM agents.agent_tools WHERE agent_id = agent.id AND approval_waived) AS waived_tool_ids,
        (SELECT jsonb_object_agg(key, value_enc) FROM agents.agent_variables WHERE agent_id = agent.id) AS variables
    FROM agents.conversations conversation JOIN agents.agents agent ON agent.id = conversation.agent_id
    WHERE conversation.id = :conversation_id AND conversation.organization_id = :organization_id
    FOR UPDATE OF conversation
    """
)

_READ_HOLD = text(
    f"""
    SELECT {_TURN}, active.run_id AS active_run_id,
        request.message_id AS pending_id, request.run_id AS pending_run_id, request.call_ids AS pending_call_ids,
        request.expires_at AS pending_until
    FROM (VALUES (1)) one
    LEFT JOIN agents.turns turn ON turn.run_id = :run_id AND turn.organization_id = :organization_id
    LEFT JOIN agents.turns active ON active.conversation_id = :conversation_id
        AND active.organization_id = :organization_id AND active.state = 'active'
    LEFT JOIN LATERAL (
        SELECT message_id, run_id, expires_at, array_agg(call_id ORDER BY ordinal) AS call_ids FROM agents.approvals
        WHERE conversation_id = :conversation_id AND organization_id = :organization_id AND state = 'pending'
        GROUP BY message_id, run_id, expires_at
    ) request ON true
    """  # noqa: S608  # column names
)

# The conversation's row is locked before the turn's, as everywhere; both are read as they are after the wait.
_LOCK_TURN = text(
    f"""
    WITH conversation AS MATERIALIZED (
        SELECT next_position, window_version FROM agents.conversations
        WHERE id = (
            SELECT conversation_id FROM agents.turns WHERE run_id = :run_id AND organization_id = :organization_id
        )
        FOR UPDATE
    )
    SELECT {_TURN}, conversation.next_position, conversation.window_version
    FROM conversation, agents.turns turn WHERE turn.run_id = :run_id AND turn.organization_id = :organization_id
    FOR UPDATE OF turn
    """  # noqa: S608  # column names
)

_GET_TURN = text(
    f"""
    SELECT {_TURN} FROM agents.turns turn WHERE turn.run_id = :run_id AND turn.organization_id = :organization_id
    """  # noqa: S608  # column names
)

_BEGIN = text(
    f"""
    WITH {STORE_MESSAGES}, begun AS (
        INSERT INTO agents.turns
            (run_id, organization_id, agent_id, conversation_id, attempt, state, error, next_step, next_step_id, steps,
            input_ids, request_id, returns_position, begun_at)
        VALUES
            (:run_id, :organization_id, :agent_id, :conversation_id, :attempt, 'active', '', 1, :next_step_id, 0,
            :input_ids, :request_id, :returns_position, :now)
    ), answered AS (
        UPDATE agents.approvals approval SET state = answer.state, answered_by_run = :run_id
        FROM unnest(CAST(:call_ids AS text[]), CAST(:call_states AS text[])) AS answer (call_id, state)
        WHERE approval.message_id = :request_id AND approval.call_id = answer.call_id
            AND approval.organization_id = :organization_id
    )
    UPDATE agents.conversations
    SET next_position = :next_position, window_version = window_version + 1, last_message_at = :now, updated_at = :now
    WHERE id = :conversation_id AND organization_id = :organization_id
    """  # noqa: S608  # fixed parts of one statement
)

_FORGET = text(
    """
    UPDATE agents.conversation_messages SET window_rank = NULL, clipped_to = NULL
    WHERE conversation_id = :conversation_id AND organization_id = :organization_id AND window_rank > (
        SELECT min(window_rank) FROM agents.conversation_messages WHERE conversation_id = :conversation_id)
    """
)

# Returns to a request of another run stay with it: a call without its return would be refused by providers.
_RETRACT = text(
    """
    WITH retracted AS (
        UPDATE agents.conversation_messages link SET window_rank = NULL, clipped_to = NULL
        FROM agents.messages message
        WHERE link.conversation_id = :conversation_id AND link.organization_id = :organization_id
            AND link.window_rank IS NOT NULL AND message.id = link.message_id AND message.run_id = :run_id
            AND message.role NOT IN ('system', 'summary') AND NOT EXISTS (
                SELECT FROM agents.messages asked WHERE asked.step_id = message.step_id AND asked.run_id <> :run_id))
    UPDATE agents.conversations SET window_version = window_version + 1, context_tokens = NULL
    WHERE id = :conversation_id AND organization_id = :organization_id
    """
)

_TAKE_OVER = text(
    "UPDATE agents.turns SET attempt = :attempt WHERE run_id = :run_id AND organization_id = :organization_id"
)

_WRITE = text(
    f"""
    WITH {STORE_MESSAGES}, written AS (
        UPDATE agents.turns
        SET state = :state, stop_reason = :stop_reason, error = :error, ended_at = :ended_at, next_step = :next_step,
            next_step_id = :next_step_id, steps = :steps, request_id = :request_id,
            returns_position = :returns_position, last_step = :last_step
        WHERE run_id = :run_id AND organization_id = :organization_id
    ), asked AS (
        INSERT INTO agents.approvals
            (message_id, call_id, organization_id, agent_id, conversation_id, run_id, step_id, ordinal, state,
            expires_at)
        SELECT :asking_id, call.id, :organization_id, :agent_id, :conversation_id, :run_id, :asking_step_id,
            call.ordinal, 'pending', :asked_until
        FROM unnest(CAST(:asked_call_ids AS text[])) WITH ORDINALITY AS call (id, ordinal)
    ), ended AS (
        UPDATE agents.agents
        SET last_stop_reason = :stop_reason, last_run_completion = :ended_at,
            last_run_duration_ms = extract(epoch FROM :ended_at - CAST(:begun_at AS timestamptz)) * 1000
        WHERE id = :agent_id AND organization_id = :organization_id AND CAST(:ends_now AS boolean)
    )
    UPDATE agents.conversations
    SET next_position = :next_position, window_version = :window_version, updated_at = :now,
        last_message_at = coalesce((SELECT max(created_at) FROM new_messages), last_message_at),
        context_tokens = coalesce(:context_tokens, context_tokens)
    WHERE id = :conversation_id AND organization_id = :organization_id
    """  # noqa: S608  # fixed parts of one statement
)

_BURY = text(
    """
    INSERT INTO agents.turns
        (run_id, organization_id, agent_id, conversation_id, attempt, state, stop_reason, error, next_step,
        next_step_id, steps, input_ids, ended_at)
    VALUES
        (:run_id, :organization_id,
        (SELECT agent_id FROM agents.conversations WHERE id = :conversation_id AND organization_id = :organization_id),
        :conversation_id, :attempt, :state, :stop_reason, :error, 1, '', 0, '{}', :now)
    ON CONFLICT (run_id) DO NOTHING
    """
)

_COMPACTION_TERMS = text(
    """
    SELECT agent.compaction_settings, conversation.context_tokens
    FROM agents.conversations conversation JOIN agents.agents agent ON agent.id = conversation.agent_id
    WHERE conversation.id = :conversation_id AND conversation.organization_id = :organization_id
    """
)

_COMPACT = text(
    f"""
    WITH {STORE_MESSAGES}, changed AS (
        UPDATE agents.conversation_messages
        SET window_rank = CASE WHEN window_rank = ANY (:evicted_ranks) THEN NULL ELSE window_rank END,
            clipped_to = coalesce(:clipped_to, clipped_to)
        WHERE conversation_id = :conversation_id AND organization_id = :organization_id AND window_rank IS NOT NULL
    )
    UPDATE agents.conversations
    SET next_position = next_position + cardinality(:positions), window_version = window_version + 1,
        context_tokens = NULL
    WHERE id = :conversation_id AND organization_id = :organization_id
    """  # noqa: S608  # fixed parts of one statement
)


class PostgresTurns:
    """The table of turns, and what they write beside it.

    Every method runs one statement, in the transaction of its caller.
    """

    async def lock_conversation(
        self, tx: Transaction, organization_id: str, conversation_id: str
    ) -> LockedConversation | None:
        """Locks a conversation and reads what a turn needs of it and its agent."""
        found = await tx.execute(
            _LOCK_CONVERSATION, {"organization_id": organization_id, "conversation_id": conversation_id}
        )
        row = found.mappings().one_or_none()
        return LockedConversation(**row) if row is not None else None

    async def read_hold(self, tx: Transaction, organization_id: str, run_id: str, conversation_id: str) -> Hold:
        """What the run meets at the locked conversation."""
        found = await tx.execute(
            _READ_HOLD, {"organization_id": organization_id, "run_id": run_id, "conversation_id": conversation_id}
        )
        row = found.mappings().one()
        turn = _turn(row) if row["run_id"] is not None else None
        return Hold(
            turn,
            row["active_run_id"],
            pending_id=row["pending_id"],
            pending_run_id=row["pending_run_id"],
            pending_call_ids=row["pending_call_ids"] or (),
            pending_until=row["pending_until"],
        )

    async def lock_turn(self, tx: Transaction, organization_id: str, run_id: str) -> LockedTurn | None:
        """Locks a run's turn and its conversation. None when one of the two is not there."""
        found = await tx.execute(_LOCK_TURN, {"organization_id": organization_id, "run_id": run_id})
        row = found.mappings().one_or_none()
        return LockedTurn(_turn(row), row["next_position"], row["window_version"]) if row is not None else None

    async def get(self, tx: Transaction, organization_id: str, run_id: str) -> Turn | None:
        """A run's turn."""
        found = await tx.execute(_GET_TURN, {"organization_id": organization_id, "run_id": run_id})
        row = found.mappings().one_or_none()
        return _turn(row) if row is not None else None

    async def begin(self, tx: Transaction, organization_id: str, opening: Opening) -> None:
        """Stores a new turn."""
        parameters = _parameters(organization_id, opening.turn) | message_arrays(opening.messages)
        parameters |= {"call_ids": list(opening.answers), "call_states": list(opening.answers.values())}
        parameters |= {"next_position": opening.next_position, "now": opening.turn.begun_at}
        await tx.execute(_BEGIN, parameters)

    async def forget(self, tx: Transaction, organization_id: str, conversation_id: str) -> None:
        """Empties the window but for its system message: one statement."""
        await tx.execute(_FORGET, {"organization_id": organization_id, "conversation_id": conversation_id})

    async def retract(self, tx: Transaction, organization_id: str, turn: Turn) -> None:
        """Takes a turn's messages out of the context window."""
        asked = {"organization_id": organization_id, "conversation_id": turn.conversation_id, "run_id": turn.run_id}
        await tx.execute(_RETRACT, asked)

    async def take_over(self, tx: Transaction, organization_id: str, run_id: str, attempt: int) -> None:
        """Gives a turn to another attempt."""
        await tx.execute(_TAKE_OVER, {"organization_id": organization_id, "run_id": run_id, "attempt": attempt})

    async def write(self, tx: Transaction, organization_id: str, turn: Turn, writing: Writing, now: datetime) -> None:
        """Stores a turn as it is now, with what changed in its conversation."""
        parameters = _parameters(organization_id, turn) | message_arrays(writing.messages)
        await tx.execute(
            _WRITE,
            parameters
            | {
                "now": now,
                "ends_now": turn.ended_at == now,
                "next_position": writing.next_position,
                "window_version": writing.window_version,
                "asking_id": writing.asking.id if writing.asking else None,
                "asking_step_id": writing.asking.step_id if writing.asking else None,
                "asked_call_ids": list(writing.asked_call_ids),
                "asked_until": writing.asked_until,
                "context_tokens": writing.context_tokens,
            },
        )

    async def bury(self, tx: Transaction, organization_id: str, turn: Turn) -> bool:
        """Remembers a turn that never began as ended. False when the run has a turn."""
        parameters = _parameters(organization_id, turn) | {"now": turn.ended_at}
        return bool((await tx.execute(_BURY, parameters)).rowcount)

    async def compaction_terms(self, tx: Transaction, organization_id: str, conversation_id: str) -> CompactionTerms:
        """How the conversation's window is to be compacted."""
        asked = {"organization_id": organization_id, "conversation_id": conversation_id}
        row = (await tx.execute(_COMPACTION_TERMS, asked)).one()
        return CompactionTerms(row.compaction_settings, row.context_tokens)

    async def compact(
        self, tx: Transaction, organization_id: str, conversation: LockedConversation, change: Compaction
    ) -> None:
        """Changes the context window of a locked conversation."""
        placed = [(change.summary, conversation.next_position)] if change.summary else []
        parameters = {
            "organization_id": organization_id,
            "agent_id": conversation.agent_id,
            "conversation_id": conversation.id,
            "evicted_ranks": list(change.evicted_ranks),
            "clipped_to": change.clipped_to,
        }
        await tx.execute(_COMPACT, parameters | message_arrays(placed, [change.summary_rank] * len(placed)))


def _turn(row: RowMapping) -> Turn:
    columns = {name: row[name] for name in _TURN_COLUMNS}
    return Turn(**columns | {"state": TurnState(columns["state"])})


def _parameters(organization_id: str, turn: Turn) -> dict[str, Any]:
    return {name: getattr(turn, name) for name in _TURN_COLUMNS} | {"organization_id": organization_id}
