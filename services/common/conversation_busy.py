"""The refusal that a busy conversation gives, whoever notices."""

from services.common.errors import Conflict


class ConversationBusy(Conflict):
    """Another run has the conversation."""

    reason = "CONVERSATION_BUSY"

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"CONFLICT: Cannot send a new message: Another request (run_id={run_id}) is currently being processed "
            "for this conversation. Please wait for it to complete.",  # clients look for these words
            metadata={"run_id": run_id},
            extra={"run_id": run_id},
            should_retry=False,
        )
