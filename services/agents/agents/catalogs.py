"""What agents need to know of models and tools, which other services keep."""

from collections.abc import Sequence
from typing import Protocol

from perdure.conversation.v1.model_pb2 import ToolDefinition
from services.common.errors import InvalidArgument, NotFound
from services.contract.model_configs import EmbeddingConfig, LlmConfig
from services.contract.tools import Tool


class UnknownEmbedding(InvalidArgument):
    """There is no such embedding model."""

    reason = "UNKNOWN_EMBEDDING"


class ToolsNotFound(NotFound):
    """Some of the tools that were named do not exist; the message says which."""

    reason = "TOOLS_NOT_FOUND"


class Models(Protocol):
    """The models of all providers."""

    async def resolve(self, organization_id: str, handle: str) -> LlmConfig:
        """What the provider says of a model; `enable_reasoner` whether it can reason.

        Raises NotFound for an unknown model and InvalidArgument for a handle without a slash.
        """

    async def resolve_embedding(self, organization_id: str, handle: str) -> EmbeddingConfig:
        """What the provider says of an embedding model. Raises `UnknownEmbedding`."""


class Tools(Protocol):
    """The registered tools."""

    async def describe(
        self, organization_id: str, tool_ids: Sequence[str], names: Sequence[str]
    ) -> list[ToolDefinition]:
        """The tools, those by id first, none twice. Raises `ToolsNotFound`."""

    async def show(self, organization_id: str, tool_ids: Sequence[str]) -> dict[str, Tool]:
        """The tools that exist, in their public form, by id."""
