"""The agent that calls, for tools that ask for it by a parameter `agent_state`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import orjson


@dataclass(frozen=True)
class BlockChange:
    """A new text of one of the agent's blocks, and the one that the tool saw."""

    label: str
    before: str
    after: str


class Agents(Protocol):
    """Where agents are kept."""

    async def read_state(self, organization_id: str, agent_id: str) -> str:
        """The agent as the public API shows it, as JSON. Raises `PerdureError`."""

    async def change_memory(self, organization_id: str, agent_id: str, changes: Sequence[BlockChange]) -> None:
        """Writes all of the changes or none. Raises `PerdureError`."""


def memory_changes(state: str, texts: Mapping[str, str]) -> list[BlockChange]:
    """What a tool changed, from the state that it got, if any, and the texts that blocks have now, by label."""
    memory = orjson.loads(state or "{}").get("memory", {})
    before = {block["label"]: block["value"] for block in memory.get("blocks", ())}
    return [BlockChange(label, before[label], text) for label, text in texts.items() if label in before]
