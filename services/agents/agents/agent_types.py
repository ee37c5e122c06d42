"""What the types of agents differ in: their prompts, tools and first messages."""

from collections.abc import Sequence

from services.contract.agents import AgentType
from services.contract.tool_rules import ContinueRule, TerminalRule, ToolRule

_MEMORY = """
<memory>
Part of your memory stands in this prompt, as blocks with a label, a description and a value. The description says
what a block is for. Change blocks with your memory tools as soon as you learn something that will matter later; what
you do not write down is forgotten once it leaves the context. Blocks marked read_only cannot be changed.
Earlier messages that no longer stand here are not lost: search for them when you need them.
</memory>
"""
_SPEAKING = """
<speaking>
People only see what you say with the send_message tool. Everything else that you write is your own thinking and stays
with you. Think briefly before each call.
</speaking>
"""
_V1_PROMPT = f"""You are a helpful agent with a memory that lasts longer than any one conversation.
{_MEMORY}
Answer in plain words. Call a tool when it gets you further, and look at what it returned before you go on. When there
is nothing left to do, answer and stop."""
_MEMGPT_PROMPT = f"""You are a companion with a memory that lasts, in a long conversation with one person.
{_SPEAKING}{_MEMORY}
You run only when something happens: a message, a login, a return of a tool. A call of a tool that is not the end of
your turn lets you go on; send_message ends it."""
_REACT_PROMPT = """You are an agent that reaches goals by calling tools, one step at a time.
Think about what you know and what is missing, call the tool that helps most, read its return, and repeat until the goal
is reached. Then answer."""
_WORKFLOW_PROMPT = """You are an agent that carries out a task as a sequence of tool calls.
Follow the rules on the order of tools. Do only what the task asks for, and stop when its last step is done."""
_SLEEPTIME_PROMPT = """You look after the memory of another agent while it is not talking.
You are given what was said lately. Compare it with the memory blocks: add what is new, correct what has changed, merge
what is there twice, and word it so that it is understood on its own, with dates instead of "today". Keep every block
within its limit. Blocks marked read_only cannot be changed. When memory is in order, call memory_finish_edits."""
_VOICE_PROMPT = f"""You talk with a person by voice.
{_MEMORY}
Your words are read aloud: short sentences, no lists, no markup. Say numbers and abbreviations as one speaks them."""
_VOICE_SLEEPTIME_PROMPT = """You look after the memory of an agent that talks by voice.
Store what is worth keeping of the conversation that you are given in archival memory, then rewrite the block about the
person until it is complete and without contradictions, and end with memory_finish_edits."""

_PROMPTS: dict[AgentType, str] = {
    "letta_v1_agent": _V1_PROMPT,
    "memgpt_agent": _MEMGPT_PROMPT,
    "memgpt_v2_agent": _MEMGPT_PROMPT,
    "react_agent": _REACT_PROMPT,
    "workflow_agent": _WORKFLOW_PROMPT,
    "split_thread_agent": _V1_PROMPT,
    "sleeptime_agent": _SLEEPTIME_PROMPT,
    "voice_convo_agent": _VOICE_PROMPT,
    "voice_sleeptime_agent": _VOICE_SLEEPTIME_PROMPT,
}

_V1_TOOLS = ("conversation_search", "memory_insert", "memory_replace")
_BASE_TOOLS: dict[AgentType, Sequence[str]] = {
    "letta_v1_agent": _V1_TOOLS,
    "memgpt_agent": (
        "memory",
        "conversation_search",
        "send_message",
        "memory_apply_patch",
        "core_memory_append",
        "core_memory_replace",
    ),
    "memgpt_v2_agent": ("conversation_search", "send_message", "memory_insert", "memory_replace"),
    "react_agent": (),
    "workflow_agent": (),
    "split_thread_agent": _V1_TOOLS,
    "sleeptime_agent": ("memory_rethink", "memory_finish_edits", "memory_insert", "memory_replace"),
    "voice_convo_agent": ("send_message", "search_memory"),
    "voice_sleeptime_agent": ("archival_memory_insert", "memory_rethink", "memory_finish_edits"),
}
FILE_TOOLS = ("open_files", "grep_files", "semantic_search_files")  # of agents that have a folder
MULTI_AGENT_TOOLS = (
    "send_message_to_agent_and_wait_for_reply",
    "send_message_to_agents_matching_tags",
    "send_message_to_agent_async",
)

_ENDING = ("send_message", "memory_finish_edits")
_CONTINUING = {
    *(name for names in _BASE_TOOLS.values() for name in names),
    "memory_rethink",
    "archival_memory_insert",
    "archival_memory_search",
} - set(_ENDING)

# The older types, which begin with an exchange of messages that shows the form of their turns.
REHEARSED_TYPES: Sequence[AgentType] = ("memgpt_agent", "memgpt_v2_agent", "react_agent", "workflow_agent")
SLEEPTIME_TYPES: Sequence[AgentType] = ("voice_convo_agent",)  # only with enable_sleeptime


def default_prompt(agent_type: AgentType) -> str:
    """The system prompt of an agent that was given none."""
    return _PROMPTS[agent_type]


def base_tools(agent_type: AgentType) -> Sequence[str]:
    """The names of the tools that an agent of the type has from the start."""
    return _BASE_TOOLS[agent_type]


def base_rules(tool_names: Sequence[str]) -> list[ToolRule]:
    """The rules that come with built-in tools: which of them end a turn, and after which it goes on."""
    rules: list[ToolRule] = []
    for name in tool_names:
        if name in _ENDING:
            rules.append(TerminalRule(tool_name=name))
        elif name in _CONTINUING:
            rules.append(ContinueRule(tool_name=name))
    return rules
