"""The agent as a tool sees it that asks for `agent_state`: the public JSON, with attributes and a memory to change."""

import json

from services.tools.sandbox.inside.record import Record


class Memory(Record):
    """The blocks of the agent."""

    def list_block_labels(self) -> list[str]:
        """The labels, in order."""
        return [block["label"] for block in self["blocks"]]

    def get_blocks(self) -> list[Record]:
        """All blocks."""
        blocks: list[Record] = self["blocks"]
        return blocks

    def get_block(self, label: str) -> Record:
        """The block with a label. Raises KeyError."""
        for block in self.get_blocks():
            if block["label"] == label:
                return block
        raise KeyError(f"There is no block {label!r}; the labels are {', '.join(self.list_block_labels())}.")

    def update_block_value(self, label: str, value: str) -> None:
        """Gives a block another text. Raises KeyError, ValueError."""
        if not isinstance(value, str):
            raise ValueError(f"The value of block {label!r} has to be text.")  # noqa: TRY004  # as tools expect it
        self.get_block(label)["value"] = value


def read_state(text: str) -> Record | None:
    """The state out of its JSON; None where there is none."""
    state: Record | None = json.loads(text or "null", object_hook=Record)
    if state is not None and "memory" in state:
        state["memory"] = Memory(state["memory"])
        state["blocks"] = state["memory"]["blocks"]  # a change of one is a change of the other
    return state


def changed_blocks(text: str, state: object) -> dict[str, str]:
    """The texts that a tool gave to blocks of the state, by label; `text` is the state as it was."""
    before = read_state(text)
    if not isinstance(state, Record) or before is None or not isinstance(state.get("memory"), Memory):
        return {}
    old = {block["label"]: block["value"] for block in before["memory"]["blocks"]}
    new = {block["label"]: block["value"] for block in state["memory"]["blocks"]}
    return {label: new[label] for label in old if isinstance(new.get(label), str) and new[label] != old[label]}
