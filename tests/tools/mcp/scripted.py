"""An MCP server over stdio that says what it is told to: `python scripted.py SCRIPT`, SCRIPT being a path.

The file there holds JSON: `tools` as they are listed, and `answers` by tool, each a `result`, an `error`, or a word. It
is read for every request. A tool without an answer says which process it is in, and how many calls that one has had.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

Json = dict[str, Any]
OBJECT = {"type": "object"}
SILENCE = "silence"  # no answer is given
EXIT = "exit"  # the process ends


def scripted_config(script: Path, tools: list[Any], answers: Json | None = None) -> Json:
    """How to run one that says this."""
    script.write_text(json.dumps({"tools": tools, "answers": answers or {}}))
    return {"mcp_server_type": "stdio", "command": sys.executable, "args": [__file__, str(script)]}


def plain(*names: str) -> list[Json]:
    """Tools of these names as a server lists them."""
    return [{"name": name, "inputSchema": OBJECT} for name in names]


def answer(request: Json, script: Json, calls: int) -> Any:
    match request["method"]:
        case "initialize":
            told = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}}
            return {"result": {**told, "serverInfo": {"name": "scripted", "version": "1"}}}
        case "tools/list":
            return {"result": {"tools": script["tools"]}}
        case "tools/call":
            said = [{"type": "text", "text": f"{os.getpid()}: {calls}"}]
            return script["answers"].get(request["params"]["name"], {"result": {"content": said}})
    return {"error": {"code": -32601, "message": "Method not found"}}


def main() -> None:
    calls = 0
    for line in sys.stdin:
        request = json.loads(line)
        calls += request.get("method") == "tools/call"
        if "id" in request:
            said = answer(request, json.loads(Path(sys.argv[1]).read_text()), calls)
            if said == EXIT:
                break
            if said != SILENCE:
                print(json.dumps({"jsonrpc": "2.0", "id": request["id"], **said}), flush=True)


if __name__ == "__main__":
    main()
