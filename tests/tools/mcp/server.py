"""An MCP server with all that can go wrong: `python server.py stdio` or `python server.py sse|streamable-http PORT`.

Its tools are changed by the file that PROBE_TOOLS names: while it exists, `grown` is there and `echo` is not.
PROBE_DELAY is how many seconds it takes to start; PROBE_NOISE has it print much that is not meant for clients;
PROBE_STUBBORN keeps it, and a child with that argument, running when it is told to end.
"""

import asyncio
import atexit
import base64
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Image
from mcp.types import BlobResourceContents, CallToolResult, EmbeddedResource, ResourceLink, TextResourceContents
from pydantic import BaseModel

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
app = MCPServer("probe", log_level="ERROR")


class Person(BaseModel):
    name: str
    friends: "list[Person]" = []


@app.tool()
def echo(text: str) -> str:
    """Says the text again."""
    return f"Echo: {text}"


@app.tool()
def add(a: int, b: int = 1) -> int:
    """Adds two numbers."""
    return a + b


@app.tool()
def greet(person: Person) -> str:
    """Greets a person."""
    return f"Hello {person.name}"


@app.tool()
def secret() -> str:
    """What the environment holds."""
    return os.environ.get("PROBE_SECRET", "nothing")


@app.tool()
def count(context: Context) -> str:
    """The process that answers."""
    return str(os.getpid())


@app.tool()
def authorization(context: Context) -> str:
    """The headers of the request."""
    request: Any = context.request_context.request
    return str({name: request.headers.get(name) for name in ("authorization", "x-own")})


@app.tool()
def refuse() -> str:
    """Fails."""
    raise ValueError("not today")


@app.tool()
async def wait(seconds: float) -> str:
    """Takes its time."""
    await asyncio.sleep(seconds)
    return "done"


@app.tool()
def crash() -> str:
    """Ends the whole server."""
    os._exit(3)


@app.tool(structured_output=False)
def picture() -> list[Any]:
    """A small picture, and words about it."""
    return ["Look:", Image(data=PIXEL, format="png"), Image(data=b"<svg/>", format="svg+xml")]


@app.tool(structured_output=False)
def document() -> list[EmbeddedResource | ResourceLink]:
    """Resources of several kinds."""
    text = TextResourceContents(uri="file:///notes.txt", text="Remember the milk.")
    blob = BlobResourceContents(uri="file:///dot.png", mime_type="image/png", blob=base64.b64encode(PIXEL).decode())
    link = ResourceLink(name="more", uri="https://example.com/more")
    return [EmbeddedResource(resource=text), EmbeddedResource(resource=blob), link]


@app.tool()
def measure() -> CallToolResult:
    """Structured content alone."""
    return CallToolResult(content=[], structured_content={"celsius": 21})


def misbehave() -> None:
    time.sleep(float(os.environ.get("PROBE_DELAY", "0")))
    if "PROBE_NOISE" in os.environ:
        print("Starting up …\n" * 20, flush=True)
        print("a warning\n" * 100_000, file=sys.stderr)
    if mark := os.environ.get("PROBE_STUBBORN"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)", mark])
        atexit.register(time.sleep, 1000)


def main() -> None:
    misbehave()
    changed = os.environ.get("PROBE_TOOLS", "")
    if changed and Path(changed).exists():
        app.remove_tool("echo")
        app.add_tool(lambda size: size, name="grown", description="Is new.")
    if sys.argv[1] == "stdio":
        app.run()
    elif sys.argv[1] == "sse":
        app.run("sse", port=int(sys.argv[2]))
    else:
        app.run("streamable-http", port=int(sys.argv[2]))


if __name__ == "__main__":
    main()
