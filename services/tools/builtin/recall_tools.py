"""Tools with which agents find what is no longer in their context, and keep what should be found again."""

from services.tools.builtin.base_tool import BaseTool, text, texts, whole_number

_TIME = "ISO 8601: a day such as 2026-03-09, or a time such as 2026-03-09T14:30."

_CONVERSATION_SEARCH = BaseTool(
    name="conversation_search",
    tool_type="letta_core",
    description=(
        "Finds earlier messages of your conversations, also those that are no longer in your context. Searches by "
        "text, by time, or both; gives the best matches with their time and who wrote them.\n\n"
        'Examples: conversation_search(query="holiday plans") finds what was said on them; '
        'conversation_search(start_date="2026-03-09", end_date="2026-03-09") gives all of that day.'
    ),
    parameters={
        "query": text("Words to look for. Left out, every message that fits the other conditions is found."),
        "roles": {
            "type": "array",
            "items": {"type": "string", "enum": ["assistant", "user", "tool"]},
            "description": "Only messages written by these.",
        },
        "limit": whole_number("The most messages to give."),
        "start_date": text(f"Only messages from then on; a day counts from its beginning. {_TIME}"),
        "end_date": text(f"Only messages up to then; a day counts to its end. {_TIME}"),
    },
    optional=("query", "roles", "limit", "start_date", "end_date"),
    is_parallel=True,
)

_ARCHIVAL_MEMORY_INSERT = BaseTool(
    name="archival_memory_insert",
    tool_type="letta_core",
    description=(
        "Stores a piece of text in your archive, which has no size limit and does not stand in your context: you find "
        "it again with archival_memory_search. Word it so that it is understood on its own, with names and dates.\n\n"
        'Example: archival_memory_insert(content="On 9 March 2026 Ada chose the offer of the Turin office.", '
        'tags=["offices", "decisions"])'
    ),
    parameters={
        "content": text("The text to store."),
        "tags": texts("Words to sort it by, which a search can ask for."),
    },
    optional=("tags",),
)

_ARCHIVAL_MEMORY_SEARCH = BaseTool(
    name="archival_memory_search",
    tool_type="letta_core",
    description=(
        "Finds what you stored in your archive by its meaning, best matches first; the words need not be the same. "
        "Tags and times narrow it down.\n\n"
        'Examples: archival_memory_search(query="which office did Ada choose?"); '
        'archival_memory_search(query="decisions on offices", tags=["offices", "decisions"], tag_match_mode="all", '
        'start_datetime="2026-03-01", end_datetime="2026-03-31")'
    ),
    parameters={
        "query": text("What you want to know, in your own words."),
        "tags": texts("Only texts with these tags."),
        "tag_match_mode": {
            "type": "string",
            "enum": ["any", "all"],
            "description": "Whether one of the tags is enough (any, the default) or all are needed.",
        },
        "top_k": whole_number("The most texts to give; 10 if left out."),
        "start_datetime": text(f"Only texts stored from then on; a day counts from its beginning. {_TIME}"),
        "end_datetime": text(f"Only texts stored up to then; a day counts to its end. {_TIME}"),
    },
    optional=("tags", "tag_match_mode", "top_k", "start_datetime", "end_datetime"),
    is_parallel=True,
)
_SEARCH_MEMORY = BaseTool(
    name="search_memory",
    tool_type="letta_voice_sleeptime_core",
    description=(
        "Finds what was said earlier, when the conversation needs more than you have before you. Searches by words, by "
        "how long ago it was, or both.\n\n"
        'Example: search_memory(convo_keyword_queries=["Turin", "holiday"], start_minutes_ago=1440) finds what was '
        "said of either in the last day."
    ),
    parameters={
        "convo_keyword_queries": texts("Words to look for; one of the texts has to fit."),
        "start_minutes_ago": whole_number("Only what was said since then."),
        "end_minutes_ago": whole_number("Only what was said before then."),
    },
    optional=("convo_keyword_queries", "start_minutes_ago", "end_minutes_ago"),
)

RECALL_TOOLS = (_CONVERSATION_SEARCH, _SEARCH_MEMORY, _ARCHIVAL_MEMORY_INSERT, _ARCHIVAL_MEMORY_SEARCH)
