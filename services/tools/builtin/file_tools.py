"""Tools with which agents read the files of their folders."""

from services.tools.builtin.base_tool import BaseTool, text, whole_number

_OPEN_FILES = BaseTool(
    name="open_files",
    tool_type="letta_files_core",
    description=(
        "Shows files of your folders in the directories part of your context, all of each or some of its lines. What "
        "you have open is limited: when it is too much, the files that you have not used for longest are closed. "
        "Open part of a long file where grep_files or semantic_search_files found something.\n\n"
        'Examples: open_files(file_requests=[{"file_name": "manuals/pump.md"}]); lines 101 to 150 of one and nothing '
        'else: open_files(file_requests=[{"file_name": "src/main.py", "offset": 100, "length": 50}], '
        "close_all_others=true)"
    ),
    parameters={
        "file_requests": {
            "type": "array",
            "description": "The files to show.",
            "items": {
                "type": "object",
                "properties": {
                    "file_name": text("The file as it is listed in your directories: FOLDER/FILE."),
                    "offset": whole_number("How many lines to leave out at the beginning. Left out: none."),
                    "length": whole_number("How many lines to show from there. Left out: all to the end."),
                },
                "required": ["file_name"],
            },
        },
        "close_all_others": {"type": "boolean", "description": "Close every other file first. Left out: false."},
    },
    optional=("close_all_others",),
)

_GREP_FILES = BaseTool(
    name="grep_files",
    tool_type="letta_files_core",
    description=(
        "Finds the lines of your folders' files that fit a regular expression, with their numbers and the lines around "
        "them, 20 matches at a time. Upper and lower case count as the same; begin the expression with (?-i) to tell "
        "them apart.\n\n"
        'Examples: grep_files(pattern="TODO|FIXME"); only in Python files, the matches from the 21st on: '
        'grep_files(pattern="def \\\\w+_test", include="\\\\.py$", offset=20)'
    ),
    parameters={
        "pattern": text("What to look for: a word, or an expression in the syntax of RE2."),
        "include": text("Only files whose FOLDER/FILE fits this expression."),
        "context_lines": whole_number("How many of the lines around a match to show, on each side. Left out: 1."),
        "offset": whole_number("How many matches to leave out at the beginning, to see the next ones."),
    },
    optional=("include", "context_lines", "offset"),
    is_parallel=True,
)

_SEMANTIC_SEARCH_FILES = BaseTool(
    name="semantic_search_files",
    tool_type="letta_files_core",
    description=(
        "Finds the passages of your folders' files that are closest to a question by their meaning; the words need not "
        "be the same. For exact words use grep_files.\n\n"
        'Example: semantic_search_files(query="how long is the warranty?", limit=3)'
    ),
    parameters={
        "query": text("What you want to know, in your own words."),
        "limit": whole_number("The most passages to give. Left out: 5."),
    },
    optional=("limit",),
    is_parallel=True,
)

FILE_TOOLS = (_OPEN_FILES, _GREP_FILES, _SEMANTIC_SEARCH_FILES)
