"""llm_router, as the maker of vectors."""

from collections.abc import Sequence

import grpc

from perdure.llm_router.v1 import llm_router_service_pb2 as router
from perdure.llm_router.v1.llm_router_service_pb2_grpc import LlmRouterServiceStub
from services.agents.archives.embedding import Vector
from services.common.errors import Unavailable
from services.common.status import rpc_errors

EMBED_TIMEOUT_S = 60.0  # seconds; half of what a step, which may embed for its memory tools, has in all


class RouterEmbedder:
    """Asks the embedding models that llm_router knows."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = LlmRouterServiceStub(channel)

    async def embed(self, organization_id: str, handle: str, texts: Sequence[str]) -> Sequence[Vector]:
        """A vector for each text. Raises what LlmRouterService.Embed raises, and `Unavailable` for too few."""
        request = router.EmbedRequest(organization_id=organization_id, model=handle, texts=texts)
        with rpc_errors():
            response = await self._stub.Embed(request, timeout=EMBED_TIMEOUT_S)
        if len(response.vectors) != len(texts):
            raise Unavailable(f"{handle} made {len(response.vectors)} vectors of {len(texts)} texts.")
        return [list(vector.values) for vector in response.vectors]
