"""Requests that cannot be served, and what their answers name."""

from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from letta_client.types import AgentState

MISSING = "00000000-0000-4000-8000-000000000000"
HELLO = {"role": "user", "content": "Hello"}
HUGE = {"properties": {"x": {"default": 10**400}}}


@dataclass(frozen=True)
class Bad:
    """A request, the status of its answer and words in the answer. `{agent}` in the path is an agent's id."""

    method: str
    path: str
    status: int
    names: str
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.names}"


def body(**values: Any) -> dict[str, Any]:  # Any: JSON
    return {"json": values}


MESSAGES = "/v1/agents/{agent}/messages"
MALFORMED = (
    Bad("POST", "/v1/agents", 422, "body", {"content": b"{"}),
    Bad("POST", "/v1/agents", 422, "body"),
    Bad("POST", "/v1/agents", 422, "model", body(model=5)),
    Bad("POST", "/v1/agents", 422, "memory_blocks", body(model="perdure/echo", memory_blocks=[{"value": "x"}])),
    Bad("GET", "/v1/agents/nonsense", 422, "agent_id"),
    Bad("GET", "/v1/agents", 422, "limit", {"params": {"limit": "many"}}),
    Bad("GET", "/v1/steps", 422, "start_date", {"params": {"start_date": "9999-12-31T23:59:59-05:00"}}),
    Bad("GET", "/v1/agents", 422, "limit", {"params": {"limit": -1}}),
    Bad("GET", "/v1/agents", 422, "order", {"params": {"order": "sideways"}}),
    Bad("GET", "/v1/agents?name=%ff", 422, "name"),
    Bad("GET", "/v1/agents/%ff", 422, "agent_id"),
    Bad("GET", "/v1/agents?tags=a&tags=%00", 422, "tags"),
    Bad("PATCH", "/v1/agents/{agent}", 422, "description", body(description="\0")),
    Bad("PATCH", "/v1/agents/{agent}", 422, "tags", body(tags=[{}] * 5000)),
    Bad("PATCH", "/v1/agents/{agent}", 422, "max_tokens", body(max_tokens=0)),
    Bad("PATCH", "/v1/agents/{agent}", 422, "metadata", {"content": b'{"metadata": {"a": 1e400}}'}),
    Bad("PATCH", "/v1/agents/{agent}", 422, "secrets", body(secrets={"A=B": "x"})),
    Bad(
        "PATCH",
        "/v1/agents/{agent}",
        422,
        "tool_exec_environment_variables",
        body(tool_exec_environment_variables={"": "x"}),
    ),
    Bad("POST", "/v1/tools/run", 422, "env_vars", body(source_code="", args={}, env_vars={"A=B": "x"})),
    Bad("POST", MESSAGES, 422, "input", body()),
    Bad("POST", MESSAGES, 422, "messages", body(messages=[])),
    Bad("POST", MESSAGES, 422, "input", body(messages=[HELLO], input="Hello")),
    Bad("POST", MESSAGES, 422, "role", body(messages=[{**HELLO, "role": "pope"}])),
    Bad("POST", MESSAGES, 422, "content", body(messages=[{"role": "user"}])),
    Bad("POST", MESSAGES, 422, "client_tools", body(input="Hello", client_tools=[{"name": "a", "parameters": HUGE}])),
    Bad("POST", MESSAGES, 422, "max_steps", body(input="Hello", max_steps="many")),
    Bad("POST", MESSAGES, 422, "max_steps", body(input="Hello", max_steps=10**12)),
    Bad("POST", MESSAGES, 422, "background", body(input="Hello", background=True)),
    Bad("POST", MESSAGES, 422, "stream_tokens", body(input="Hello", stream_tokens=True)),
    Bad("POST", "/v1/blocks", 422, "label", body(value="x")),
    Bad("POST", "/v1/blocks", 422, "limit", body(label="x", limit=2**31)),
    Bad("POST", "/v1/tools", 422, "source_code", body()),
)
IMPOSSIBLE = (
    Bad("POST", "/v1/agents", 400, "model", body()),
    Bad("POST", "/v1/blocks", 400, "limit", body(label="x", value="too long", limit=3)),
    Bad("GET", "/v1/runs/nonsense", 400, "nonsense"),
    Bad("GET", f"/v1/agents/agent-{MISSING}", 404, f"agent-{MISSING}"),
    Bad("POST", f"/v1/agents/agent-{MISSING}/messages", 404, "not found", body(input="Hello")),
    Bad("POST", f"/v1/agents/agent-{MISSING}/messages/stream", 404, "not found", body(input="Hello")),
    Bad("POST", f"/v1/agents/agent-{MISSING}/messages/async", 404, "not found", body(input="Hello")),
    Bad("POST", f"/v1/conversations/conv-{MISSING}/messages", 404, f"conv-{MISSING}", body(input="Hello")),
    Bad("POST", MESSAGES, 404, "openai/none", body(input="Hello", override_model="openai/none")),
    Bad("POST", "/v1/agents", 400, "openai/xxx", body(model="openai/" + "x" * 200_000)),
    Bad("GET", MESSAGES, 404, f"message-{MISSING}", {"params": {"after": f"message-{MISSING}"}}),
    Bad("GET", f"/v1/runs/run-{MISSING}", 404, f"run-{MISSING}"),
    Bad("POST", f"/v1/runs/run-{MISSING}/stream", 404, f"run-{MISSING}", body()),
    Bad("GET", f"/v1/steps/step-{MISSING}", 404, f"step-{MISSING}"),
    Bad("GET", f"/v1/tools/tool-{MISSING}", 404, f"tool-{MISSING}"),
    Bad("GET", f"/v1/blocks/block-{MISSING}", 404, f"block-{MISSING}"),
    Bad("PATCH", "/v1/agents/{agent}/core-memory/blocks/none", 404, "none", body(value="x")),
    Bad("PATCH", f"/v1/agents/{{agent}}/tools/attach/tool-{MISSING}", 404, f"tool-{MISSING}"),
    Bad("GET", "/v1/nothing", 404, "Not Found"),
    Bad("DELETE", "/v1/health", 405, "Method Not Allowed"),
    Bad("PATCH", f"{MESSAGES}/message-{MISSING}", 405, "cannot be changed", body(content="x")),
)


@pytest.mark.parametrize("bad", MALFORMED, ids=str)
async def test_a_malformed_request_is_told_what_is_wrong_where(
    http: httpx.AsyncClient, agent: AgentState, *, bad: Bad
) -> None:
    response = await http.request(bad.method, bad.path.format(agent=agent.id), **bad.options)

    assert response.status_code == bad.status
    problems = response.json()["detail"]
    assert all(problem.keys() == {"type", "loc", "msg"} for problem in problems)
    assert any(bad.names in [*problem["loc"], problem["msg"]] or bad.names in problem["msg"] for problem in problems)


@pytest.mark.parametrize("bad", IMPOSSIBLE, ids=str)
async def test_an_impossible_request_names_what_it_asked_for(
    http: httpx.AsyncClient, agent: AgentState, *, bad: Bad
) -> None:
    response = await http.request(bad.method, bad.path.format(agent=agent.id), **bad.options)

    assert response.status_code == bad.status
    assert bad.names in response.json()["detail"]


async def test_unknown_fields_are_ignored(http: httpx.AsyncClient, agent: AgentState) -> None:
    response = await http.post(MESSAGES.format(agent=agent.id), json={"input": "Hello", "nonsense": True})

    assert response.status_code == httpx.codes.OK
