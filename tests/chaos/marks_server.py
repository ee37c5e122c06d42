"""An MCP server whose one tool leaves a mark for each call: `python marks_server.py PORT FILE`."""

import asyncio
import sys
from pathlib import Path

from mcp.server import MCPServer

app = MCPServer("marks", log_level="ERROR")


@app.tool()
async def mark(word: str, seconds: float) -> str:
    """Leaves a mark, then takes its time."""
    with Path(sys.argv[2]).open("a") as marks:  # noqa: ASYNC230  # before it answers
        marks.write(f"{word}\n")
    await asyncio.sleep(seconds)
    return "marked"


if __name__ == "__main__":
    app.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
