"""How requests name conversations."""

from services.common.errors import InvalidArgument

OWN_HISTORY = "default"  # in place of a conversation's id; the agent's id says the same


def resolve_conversation(conversation_id: str, agent_id: str | None) -> str:
    """The conversation that an id means: "conv-<uuid4>", or an agent's id for its own history.

    Raises `InvalidArgument` where "default" comes without an agent.
    """
    if conversation_id != OWN_HISTORY:
        return conversation_id
    if not agent_id:
        raise InvalidArgument("The conversation 'default' needs an agent_id.")
    return agent_id
