"""The tool with which agents run code of their own."""

from services.tools.builtin.base_tool import BaseTool, text

_RUN_CODE = BaseTool(
    name="run_code",
    tool_type="letta_builtin",
    description=(
        "Runs a program and gives what it printed and, in Python, the value of its last line. Each call starts afresh, "
        "in an empty folder without access to anything else: nothing is left of earlier calls.\n\n"
        'Example: run_code(code="import statistics\\nstatistics.mean([3, 5, 10])", language="python")'
    ),
    parameters={
        "code": text("The program."),
        "language": {
            "type": "string",
            "enum": ["python", "js", "ts", "r", "java"],
            "description": "What it is written in. python always works, js and ts where the server has Node.js.",
        },
    },
    is_parallel=True,
)

CODE_TOOLS = (_RUN_CODE,)
