"""What can be wrong with a conversation that was named."""

from services.common.errors import NotFound


class ConversationNotFound(NotFound):
    """There is no such conversation. An agent's own history is missing when the agent is."""

    def __init__(self, conversation_id: str) -> None:
        is_own = conversation_id.startswith("agent-")
        super().__init__("Agent not found" if is_own else f"Conversation '{conversation_id}' was not found.")
