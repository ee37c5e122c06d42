"""Tools with which agents change their memory blocks."""

from services.tools.builtin.base_tool import BaseTool, text, whole_number

_LABEL = text("Which block to change, by its label.")

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
        "new_string": text("The text to add, without line numbers."),
        "insert_line": whole_number("The line after which to add: 0 is the beginning, -1 (the default) the end."),
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
        "old_string": text("The text to replace, exactly as in the block, spaces and line ends included."),
        "new_string": text("The text to put in its place, without line numbers."),
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
        "new_memory": text("The whole new text of the block: what it held that still matters, and what is new."),
    },
)

_CORE_MEMORY_APPEND = BaseTool(
    name="core_memory_append",
    tool_type="letta_memory_core",
    description="Adds a line at the end of a memory block.",
    parameters={"label": _LABEL, "content": text("The text to add.")},
)

_CORE_MEMORY_REPLACE = BaseTool(
    name="core_memory_replace",
    tool_type="letta_memory_core",
    description="Replaces text in a memory block. An empty new_content deletes it.",
    parameters={
        "label": _LABEL,
        "old_content": text("The text to replace, exactly as in the block."),
        "new_content": text("The text to put in its place."),
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
        "command": text("One of create, str_replace, insert, delete, rename."),
        "path": text("The block to work on."),
        "file_text": text("The text of the new block, with create."),
        "description": text("What the block is for, with create and rename."),
        "old_string": text("The text to replace, exactly as in the block, with str_replace."),
        "new_string": text("The text to put in its place, with str_replace."),
        "insert_line": whole_number("The line after which to add, 0 for the beginning, with insert."),
        "insert_text": text("The text to add, with insert."),
        "old_path": text("The block to rename, with rename."),
        "new_path": text("Its new name, with rename."),
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
    parameters={"label": text("The block to change; empty for a patch of several."), "patch": text("The patch.")},
)

_MEMORY_FINISH_EDITS = BaseTool(
    name="memory_finish_edits",
    tool_type="letta_sleeptime_core",
    description="Says that memory is in order and you are done with it.",
    parameters={},
)

BLOCK_TOOLS = (
    _MEMORY_INSERT,
    _MEMORY_REPLACE,
    _MEMORY_RETHINK,
    _CORE_MEMORY_APPEND,
    _CORE_MEMORY_REPLACE,
    _MEMORY,
    _MEMORY_APPLY_PATCH,
    _MEMORY_FINISH_EDITS,
)
