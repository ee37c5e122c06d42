"""Checking the parameters of a request to Anthropic."""

import re
from typing import Any

from anthropic.types import message_create_params
from anthropic.types.beta import message_create_params as beta_message_create_params

from tests.fakes.provider.anthropic.vendor import invalid
from tests.fakes.provider.catalog import limits
from tests.fakes.provider.prompt import Body, JsonFormat, Tool, ToolChoice
from tests.fakes.provider.refusal import Refusal

# The sampling parameters are gone from the SDK but still taken for models that sample.
_PARAMETERS = {
    *message_create_params.MessageCreateParamsBase.__annotations__,
    "stream",
    "temperature",
    "top_p",
    "top_k",
}
_BETA_PARAMETERS = {*beta_message_create_params.MessageCreateParamsBase.__annotations__, "output_format"}
_TOOL_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,128}$")
_MIN_THINKING_TOKENS = 1024
_MAX_STRICT_TOOLS = 20


def check_parameters(body: Body, *, beta: bool) -> None:
    """Refuses what the vendor would refuse, messages and tools aside."""
    known = _PARAMETERS | _BETA_PARAMETERS if beta else _PARAMETERS
    unknown = next((name for name in body if name not in known), None)
    if unknown:
        raise invalid(f"{unknown}: Extra inputs are not permitted")
    for name in ("model", "messages", "max_tokens"):
        if body.get(name) is None:
            raise invalid(f"{name}: Field required")
    if not body["model"].startswith("claude-"):
        raise Refusal(404, f"model: {body['model']}", kind="not_found_error")
    limit = limits(body["model"]).output
    if body["max_tokens"] > limit:
        raise invalid(
            f"max_tokens: {body['max_tokens']} > {limit}, which is the maximum allowed number of output tokens for "
            f"{body['model']}"
        )
    if thinks(body):
        _check_thinking(body)


def thinks(body: Body) -> bool:
    """Whether the request turns thinking on."""
    return (body.get("thinking") or {}).get("type") in ("enabled", "adaptive")


def read_tools(body: Body) -> tuple[Tool, ...]:
    """The tools of a request.

    Raises:
        Refusal: a bad or repeated name, too many strict tools, or a schema that is not of an object.
    """
    tools = [tool for tool in body.get("tools") or () if tool.get("type") in (None, "custom")]
    for index, tool in enumerate(tools):
        if not _TOOL_NAME.match(str(tool.get("name"))):
            raise invalid(f"tools.{index}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        if (tool.get("input_schema") or {}).get("type") != "object":
            raise invalid(f"tools.{index}.custom.input_schema.type: Input should be 'object'")
    if len({tool["name"] for tool in tools}) < len(tools):
        raise invalid("tools: Tool names must be unique.")
    if sum(bool(tool.get("strict")) for tool in tools) > _MAX_STRICT_TOOLS:
        raise invalid(f"Too many strict tools. The maximum number of strict tools supported is {_MAX_STRICT_TOOLS}.")
    return tuple(Tool(tool["name"], tool["input_schema"]) for tool in tools)


def read_choice(body: Body) -> ToolChoice:
    """`tool_choice`; thinking goes with auto and none alone."""
    choice = body.get("tool_choice") or {"type": "auto"}
    if body.get("tool_choice") and not body.get("tools"):
        raise invalid("tool_choice: tool_choice may only be specified while providing tools.")
    if choice["type"] in ("any", "tool"):
        if thinks(body):
            raise invalid("Thinking may not be enabled when tool_choice forces tool use.")
        return ToolChoice("required", choice.get("name"))
    return ToolChoice("none" if choice["type"] == "none" else "auto")


def read_format(body: Body) -> JsonFormat | None:
    """The schema of `output_config.format`, or of the beta's `output_format`."""
    asked = (body.get("output_config") or {}).get("format") or body.get("output_format")
    if not asked:
        return None
    _check_closed(asked.get("schema"))
    return JsonFormat(asked["schema"])


def _check_thinking(body: Body) -> None:
    if body.get("temperature") not in (None, 1):
        raise invalid("`temperature` may only be set to 1 when thinking is enabled.")
    if body["thinking"]["type"] != "enabled":
        return
    budget = body["thinking"].get("budget_tokens")
    if budget is None:
        raise invalid("thinking.enabled.budget_tokens: Field required")
    if budget < _MIN_THINKING_TOKENS:
        raise invalid("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    if budget >= body["max_tokens"]:
        raise invalid("`max_tokens` must be greater than `thinking.budget_tokens`.")


def _check_closed(schema: Any) -> None:
    if isinstance(schema, list):
        for part in schema:
            _check_closed(part)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        raise invalid(
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"
        )
    for part in schema.values():
        _check_closed(part)
