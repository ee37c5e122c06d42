"""The tools that come with the server."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.common.ids import new_id
from services.contract.json_object import JsonObject
from services.contract.tools import Tool, ToolType

SEND_MESSAGE = "send_message"


@dataclass(frozen=True)
class BaseTool:
    """A tool that comes with the server. `parameters` are JSON schemas by name; the optional ones need not be given."""

    name: str
    tool_type: ToolType
    description: str
    parameters: Mapping[str, JsonObject]
    optional: tuple[str, ...] = ()
    is_parallel: bool = False

    def schema(self) -> JsonObject:
        """What the model sees."""
        return {
            "name": self.name,
            "description": self.description,
            "parameters": {
                "type": "object",
                "properties": dict(self.parameters),
                "required": [name for name in self.parameters if name not in self.optional],
            },
        }

    def record(self, user_id: str) -> Tool:
        """A new tool with this content."""
        return Tool(
            id=new_id("tool"),
            tool_type=self.tool_type,
            description=self.description,
            source_type="python",
            name=self.name,
            tags=[self.tool_type],
            json_schema=self.schema(),
            enable_parallel_execution=self.is_parallel,
            created_by_id=user_id,
            last_updated_by_id=user_id,
            metadata_={},
        )


def _text(description: str) -> JsonObject:
    return {"type": "string", "description": description}


def _whole_number(description: str) -> JsonObject:
    return {"type": "integer", "description": description}


_LABEL = _text("The label of the memory block to change.")
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
        "query": _text("Words to look for. Left out, every message that fits the other conditions is found."),
        "roles": {
            "type": "array",
            "items": {"type": "string", "enum": ["assistant", "user", "tool"]},
            "description": "Only messages written by these.",
        },
        "limit": _whole_number("The most messages to give."),
        "start_date": _text(f"Only messages from then on; a day counts from its beginning. {_TIME}"),
        "end_date": _text(f"Only messages up to then; a day counts to its end. {_TIME}"),
    },
    optional=("query", "roles", "limit", "start_date", "end_date"),
    is_parallel=True,
)
_TAGS: JsonObject = {"type": "array", "items": {"type": "string"}}
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
        "content": _text("The text to store."),
        "tags": {**_TAGS, "description": "Words to sort it by, which a search can ask for."},
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
        "query": _text("What you want to know, in your own words."),
        "tags": {**_TAGS, "description": "Only texts with these tags."},
        "tag_match_mode": {
            "type": "string",
            "enum": ["any", "all"],
            "description": "Whether one of the tags is enough (any, the default) or all are needed.",
        },
        "top_k": _whole_number("The most texts to give; 10 if left out."),
        "start_datetime": _text(f"Only texts stored from then on; a day counts from its beginning. {_TIME}"),
        "end_datetime": _text(f"Only texts stored up to then; a day counts to its end. {_TIME}"),
    },
    optional=("tags", "tag_match_mode", "top_k", "start_datetime", "end_datetime"),
    is_parallel=True,
)
_MEMORY_INSERT = BaseTool(
    name="memory_insert",
    tool_type="letta_sleeptime_core",
    description=(
        "Adds lines to a memory block and leaves the rest of it as it is.\n\n"
        'Examples: memory_insert(label="human", new_string="Plays the cello.") adds at the end; '
        'memory_insert(label="human", new_string="Plays the cello.", insert_line=0) adds at the beginning.'
    ),
    parameters={
        "label": _LABEL,
        "new_string": _text("The text to add, without line numbers."),
        "insert_line": _whole_number("The line after which to add: 0 is the beginning, -1 (the default) the end."),
    },
    optional=("insert_line",),
)
_MEMORY_REPLACE = BaseTool(
    name="memory_replace",
    tool_type="letta_sleeptime_core",
    description=(
        "Replaces a piece of a memory block; for small, exact changes. The piece must stand in the block exactly once. "
        "An empty new_string deletes it.\n\n"
        'Example: memory_replace(label="human", old_string="Lives in Rome.", new_string="Lives in Turin.")'
    ),
    parameters={
        "label": _LABEL,
        "old_string": _text("The text to replace, exactly as in the block, spaces and line ends included."),
        "new_string": _text("The text to put in its place, without line numbers."),
    },
)
_MEMORY_RETHINK = BaseTool(
    name="memory_rethink",
    tool_type="letta_sleeptime_core",
    description=(
        "Rewrites a memory block as a whole, to reorganise or shorten it. Everything in the block that is not in "
        "new_memory is lost; for small changes use memory_replace or memory_insert."
    ),
    parameters={
        "label": _LABEL,
        "new_memory": _text("The whole new text of the block: what it held that still matters, and what is new."),
    },
)
_CORE_MEMORY_APPEND = BaseTool(
    name="core_memory_append",
    tool_type="letta_memory_core",
    description="Adds a line at the end of a memory block.",
    parameters={"label": _LABEL, "content": _text("The text to add.")},
)
_CORE_MEMORY_REPLACE = BaseTool(
    name="core_memory_replace",
    tool_type="letta_memory_core",
    description="Replaces text in a memory block. An empty new_content deletes it.",
    parameters={
        "label": _LABEL,
        "old_content": _text("The text to replace, exactly as in the block."),
        "new_content": _text("The text to put in its place."),
    },
)
_MEMORY = BaseTool(
    name="memory",
    tool_type="letta_memory_core",
    description=(
        "Works on your memory blocks as if they were files: the block notes is the path /memories/notes. Commands: "
        "create (path, file_text, description), str_replace (path, old_string, new_string), insert (path, insert_line, "
        "insert_text), delete (path), rename (old_path, new_path; or path and description)."
    ),
    parameters={
        "command": _text("One of create, str_replace, insert, delete, rename."),
        "path": _text("The block to work on."),
        "file_text": _text("The text of the new block, with create."),
        "description": _text("What the block is for, with create and rename."),
        "old_string": _text("The text to replace, exactly as in the block, with str_replace."),
        "new_string": _text("The text to put in its place, with str_replace."),
        "insert_line": _whole_number("The line after which to add, 0 for the beginning, with insert."),
        "insert_text": _text("The text to add, with insert."),
        "old_path": _text("The block to rename, with rename."),
        "new_path": _text("Its new name, with rename."),
    },
    optional=(
        "path",
        "file_text",
        "description",
        "old_string",
        "new_string",
        "insert_line",
        "insert_text",
        "old_path",
        "new_path",
    ),
)
_MEMORY_APPLY_PATCH = BaseTool(
    name="memory_apply_patch",
    tool_type="letta_memory_core",
    description=(
        "Changes memory blocks by a patch. For the one block that label names, the patch is a simplified unified diff: "
        "lines begin with a space (kept), - (removed) or + (added), and @@ parts places.\n\n"
        "For several blocks, leave label empty and begin a section for each with *** Add Block: LABEL (then, if you "
        "like, Description: TEXT, and its text in + lines), *** Update Block: LABEL (then a diff) or *** Delete Block: "
        "LABEL. *** Move to: LABEL in a section renames its block. Leave line numbers out."
    ),
    parameters={"label": _text("The block to change; empty for a patch of several."), "patch": _text("The patch.")},
)
_MEMORY_FINISH_EDITS = BaseTool(
    name="memory_finish_edits",
    tool_type="letta_sleeptime_core",
    description="Says that memory is in order and you are done with it.",
    parameters={},
)
_SEND_MESSAGE = BaseTool(
    name=SEND_MESSAGE,
    tool_type="letta_core",
    description="Says something to the user. This is the only way to reach them: they see nothing else of what you do.",
    parameters={"message": _text("What to say.")},
)

_IN_AGENTS = (
    _CONVERSATION_SEARCH,
    _ARCHIVAL_MEMORY_INSERT,
    _ARCHIVAL_MEMORY_SEARCH,
    _MEMORY_INSERT,
    _MEMORY_REPLACE,
    _MEMORY_RETHINK,
    _CORE_MEMORY_APPEND,
    _CORE_MEMORY_REPLACE,
    _MEMORY,
    _MEMORY_APPLY_PATCH,
    _MEMORY_FINISH_EDITS,
)
BASE_TOOLS = {tool.name: tool for tool in (_SEND_MESSAGE, *_IN_AGENTS)}
MEMORY_TOOLS = frozenset(tool.name for tool in _IN_AGENTS)  # they run in the agents service, as part of the step
