"""Tools with which agents talk to other agents."""

from services.tools.builtin.base_tool import BaseTool, text, texts

_MESSAGE = text("What to say. The receiver knows nothing of your conversation: say all that it needs to know.")
_RECEIVER = text('The id of the agent that is to get it: "agent-" and a UUID.')

_ASK = BaseTool(
    name="send_message_to_agent_and_wait_for_reply",
    tool_type="letta_multi_agent_core",
    description=(
        "Sends a message to another agent and gives you what it answers. Use it for a question whose answer you need "
        "before you can go on."
    ),
    parameters={"message": _MESSAGE, "other_agent_id": _RECEIVER},
)
_TELL = BaseTool(
    name="send_message_to_agent_async",
    tool_type="letta_multi_agent_core",
    description=(
        "Sends a message to another agent and goes on at once, without an answer. Use it to hand something over or to "
        "let another agent know."
    ),
    parameters={"message": _MESSAGE, "other_agent_id": _RECEIVER},
)
_ASK_TAGGED = BaseTool(
    name="send_message_to_agents_matching_tags",
    tool_type="letta_multi_agent_core",
    description=(
        "Sends a message to every other agent that has certain tags, and gives you the answers of all of them.\n\n"
        'Example: send_message_to_agents_matching_tags(message="Report what you did today.", match_all=["worker"], '
        'match_some=["paris", "turin"]) reaches the workers in Paris and in Turin.'
    ),
    parameters={
        "message": _MESSAGE,
        "match_all": texts("Only agents that have all of these tags. May be empty."),
        "match_some": texts("Of those, only agents that have one of these tags or more. Empty: all of those."),
    },
)

AGENT_TOOLS = (_ASK, _TELL, _ASK_TAGGED)
