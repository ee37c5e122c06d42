"""What the tests of approvals and of the client's own tools share."""

from typing import Any

from letta_client import AsyncLetta

from tests.e2e.tool_sources import ROLL_DICE

CAREFUL, FREE, LOCATE = "roll_dice_if_allowed", "roll_dice_freely", "locate"
CLIENT_TOOL = {
    "name": LOCATE,
    "description": "Where the user is.",
    "parameters": {"type": "object", "properties": {"precise": {"type": "boolean"}}, "required": []},
}
ASK = f'call tool {CAREFUL} with {{"num_sides": 16}}'
ASK_CLIENT = f'call tool {LOCATE} with {{"precise": true}}'
ASK_ALL = (
    f'call tool {FREE} with {{"num_sides": 4}} and call tool {CAREFUL} with {{"num_sides": 6}} '
    f'and call tool {CAREFUL} with {{"num_sides": 8}} and {ASK_CLIENT}'
)


async def make_tools(client: AsyncLetta) -> list[str]:
    """A tool that wants approval by default, and one that does not; their ids."""
    careful = await client.tools.upsert(
        source_code=ROLL_DICE.replace("roll_dice", CAREFUL), default_requires_approval=True
    )
    free = await client.tools.upsert(source_code=ROLL_DICE.replace("roll_dice", FREE))
    return [careful.id, free.id]


def answers(*given: dict[str, Any]) -> list[Any]:
    """The message that answers calls."""
    return [{"type": "approval", "approvals": list(given)}]


def approve(call_id: str) -> dict[str, Any]:
    return {"type": "approval", "tool_call_id": call_id, "approve": True}


def deny(call_id: str, reason: str) -> dict[str, Any]:
    return {"type": "approval", "tool_call_id": call_id, "approve": False, "reason": reason}


def result(call_id: str, value: Any, status: str = "success") -> dict[str, Any]:
    return {"type": "tool", "tool_call_id": call_id, "tool_return": value, "status": status}


async def pending(client: AsyncLetta, agent_id: str) -> Any:
    """The request that the agent waits with, or None."""
    return (await client.agents.retrieve(agent_id, include=["agent.pending_approval"])).pending_approval
