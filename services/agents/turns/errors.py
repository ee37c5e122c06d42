"""Why a turn cannot begin or go on."""

from collections.abc import Sequence

from services.common.errors import Conflict, InvalidArgument, NotFound, OutOfRange, Superseded, Unavailable


class PendingApproval(Conflict):
    """The conversation waits for the answer to an approval request."""

    reason = "PENDING_APPROVAL"

    def __init__(self, request_id: str) -> None:
        super().__init__(
            {
                "code": self.reason,
                "message": "CONFLICT: Cannot send a new message: The agent is waiting for approval on a tool call. "
                "Please approve or deny the pending request before continuing.",  # clients look for these words
                "pending_request_id": request_id,
            },
            metadata={"pending_request_id": request_id},
            should_retry=False,
        )


class NoPendingApproval(InvalidArgument):
    """There is nothing to approve, maybe not any more."""

    reason = "NO_PENDING_APPROVAL"

    def __init__(self, *, expired: bool = False) -> None:
        text = "Cannot process approval response: No tool call is currently awaiting approval."  # clients look for this
        super().__init__(f"{text} The request expired, and its calls were denied." if expired else text)


class InvalidCallIds(InvalidArgument):
    """The answer is not to the calls that wait."""

    reason = "INVALID_CALL_IDS"

    def __init__(self, expected: Sequence[str], received: Sequence[str]) -> None:
        super().__init__(f"Invalid tool call IDs. Expected '{list(expected)}', but received '{list(received)}'.")


class WrongRequest(InvalidArgument):
    """The answer names another approval request than the one that waits."""

    reason = "INVALID_CALL_IDS"

    def __init__(self, expected: str, received: str) -> None:
        super().__init__(f"The approval request that waits is '{expected}', not '{received}'.")


class AlreadyAnswered(Conflict):
    """The same calls were answered before, and the run that did it completed: its result stands."""

    reason = "ALREADY_ANSWERED"

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"These tool calls were answered before, by run {run_id}, which has completed.",
            metadata={"run_id": run_id},
            should_retry=False,
        )


class AnsweredOtherwise(Conflict):
    """A call was answered before, and not in this way: the first answer stands."""

    reason = "ANSWERED_OTHERWISE"

    def __init__(self, call_id: str, state: str, run_id: str) -> None:
        super().__init__(
            f"The tool call {call_id} was answered before, by run {run_id}: it was {state}. That stands.",
            metadata={"run_id": run_id},
            should_retry=False,
        )


class AttemptSuperseded(Superseded):
    """A newer attempt of the run has the turn."""

    def __init__(self, run_id: str, *, attempt: int, current: int) -> None:
        super().__init__(
            f"Attempt {attempt} of run {run_id} may not write: attempt {current} has the turn.",
            metadata={"attempt": str(current)},
        )


class StepOutOfOrder(Conflict):
    """The step is neither the next nor the last one."""

    reason = "STEP_OUT_OF_ORDER"

    def __init__(self, run_id: str, *, step: int, expected: int) -> None:
        super().__init__(f"The next step of run {run_id} is {expected}, not {step}.")


class TurnNotFound(NotFound):
    """The run never began a turn."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"Run {run_id} has no turn.")


class UnpairedReturns(InvalidArgument):
    """The returns of a step are not those of its calls."""

    reason = "UNPAIRED_RETURNS"


class TurnEnded(Superseded):
    """The turn has ended, so its window stays as it is."""

    reason = "TURN_ENDED"

    def __init__(self, run_id: str) -> None:
        super().__init__(f"The turn of run {run_id} has ended.")


class NothingToRemove(OutOfRange):
    """What is left in a context window is the system message and what is being answered."""

    reason = "NOTHING_TO_REMOVE"

    def __init__(self, conversation_id: str) -> None:
        super().__init__(
            f"The context window of {conversation_id} is too small for the system message and the latest message alone."
        )


class NothingToCompact(InvalidArgument):
    """No message of a conversation could give way to a summary."""

    reason = "NOTHING_TO_COMPACT"

    def __init__(self, conversation_id: str) -> None:
        super().__init__(f"{conversation_id} has no messages in its context window that a summary could replace.")


class NoSummary(Unavailable):
    """No model wrote a summary."""

    reason = "NO_SUMMARY"

    def __init__(self, conversation_id: str) -> None:
        super().__init__(
            f"No model wrote a summary of {conversation_id}; nothing was changed. Try again, or name another model in "
            "compaction_settings."
        )


class ConversationChanged(Conflict):
    """A conversation went on while its summary was being written."""

    reason = "CONVERSATION_CHANGED"

    def __init__(self, conversation_id: str) -> None:
        super().__init__(f"{conversation_id} went on while its summary was being written. Try again.")
