"""The answers of health and readiness."""

from typing import Literal

from pydantic import BaseModel


class ToolSandbox(BaseModel):
    """What keeps tools from the rest of the machine.

    status: "ok"; "insufficient", tools run only where a setting says so; "not_started"; or "unreachable", the tools
    service does not answer just now. `layers` are those that the machine gives.
    """

    status: Literal["ok", "insufficient", "not_started", "unreachable"]
    layers: list[str] = []


class Ready(BaseModel):
    """That the server can work, and which version it is."""

    version: str
    status: str


class Health(Ready):
    """That the server is there, and how it runs tools."""

    tool_sandbox: ToolSandbox
