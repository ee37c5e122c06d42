"""The blocks that an agent sees in a conversation, for its memory tools to work on."""

from dataclasses import dataclass, field
from typing import Any

from services.agents.memory.blocks import BlockChange, Store, StoredBlock, check_label, check_length, make_block
from services.agents.memory.system_prompts import SystemPrompts
from services.common.database import Transaction
from services.common.errors import NotFound, PermissionDenied
from services.contract.blocks import Block, CreateBlock


class UnknownLabel(NotFound):
    """The agent sees no block with this label."""


class ReadOnlyBlock(PermissionDenied):
    """Agents cannot change the block."""


class IsolatedBlock(PermissionDenied):
    """The block is a conversation's own copy, which stands in place of the agent's block of the same label."""

    def __init__(self, copy: Block) -> None:
        super().__init__(f"Block {copy.label!r} is this conversation's own copy: it cannot be renamed or deleted here.")


@dataclass(frozen=True)
class CallingAgent:
    """Who calls, and in which conversation: "conv-<uuid4>", or the agent's id for its own history.

    `outdated` gathers the agents whose own system messages do not show what the calls have changed.
    """

    organization_id: str
    agent_id: str
    conversation_id: str
    outdated: set[str] = field(default_factory=set)


class Workbench:
    """Changes of blocks by an agent, inside a transaction. A block that others have changes for them too."""

    def __init__(self, tx: Transaction, agent: CallingAgent, blocks: Store, prompts: SystemPrompts) -> None:
        self._tx = tx
        self._agent = agent
        self._blocks = blocks
        self._prompts = prompts

    async def find(self, label: str) -> StoredBlock:
        """The block that the agent sees under a label, for a change. Raises `UnknownLabel`, `ReadOnlyBlock`."""
        agent = self._agent
        visible = await self._prompts.visible_blocks(
            self._tx, agent.organization_id, agent.agent_id, agent.conversation_id
        )
        by_label = {stored.block.label: stored for stored in visible}
        if label not in by_label:
            known = ", ".join(str(name) for name in by_label) or "none"
            raise UnknownLabel(f"There is no block with the label {label!r}. Labels: {known}.")
        if by_label[label].block.read_only:
            raise ReadOnlyBlock(f"Block {label!r} is read-only.")
        return by_label[label]

    async def write(self, stored: StoredBlock, **values: Any) -> None:
        """Gives a block's fields new values.

        Raises `BlockTooLong`, `BlockChanged`, `DuplicateLabel`, `BadLabel`, `IsolatedBlock`.
        """
        if "label" in values:
            check_label(values["label"])
        check_length(stored.block.model_copy(update=values))
        change = BlockChange(values, by=self._agent.agent_id)
        block_id = stored.block.id
        owners = await self._blocks.agents_of(self._tx, self._agent.organization_id, block_id)
        if "label" in values and self._agent.agent_id not in owners:
            raise IsolatedBlock(stored.block)
        await self._blocks.change(self._tx, self._agent.organization_id, block_id, change, version=stored.version)
        self._agent.outdated.update(owners)

    async def create(self, label: str, value: str, description: str | None) -> None:
        """Gives the agent a new block. Raises `BlockTooLong`, `DuplicateLabel`, `BadLabel`."""
        agent = self._agent
        block = make_block(CreateBlock(label=label, value=value, description=description))
        await self._blocks.insert(self._tx, agent.organization_id, agent.agent_id, [block])
        await self._blocks.attach(self._tx, agent.organization_id, agent.agent_id, [block])
        agent.outdated.add(agent.agent_id)

    async def remove(self, label: str) -> None:
        """Takes a block from the agent, and deletes it if nobody else has it. Raises `IsolatedBlock`."""
        block = (await self.find(label)).block
        if not await self._blocks.detach(self._tx, self._agent.organization_id, self._agent.agent_id, block.id):
            raise IsolatedBlock(block)
        if not await self._blocks.agents_of(self._tx, self._agent.organization_id, block.id):
            await self._blocks.delete(self._tx, self._agent.organization_id, block.id)
        self._agent.outdated.add(self._agent.agent_id)
