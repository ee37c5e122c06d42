"""llm_router, as the writer of tools."""

import grpc

from perdure.llm_router.v1 import llm_router_service_pb2 as router
from perdure.llm_router.v1.llm_router_service_pb2_grpc import LlmRouterServiceStub
from services.common.status import rpc_errors
from services.tools.generation.generation import Question

WRITE_TIMEOUT_S = 300.0  # seconds; a long source by a slow model


class RouterModels:
    """The models that llm_router knows."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = LlmRouterServiceStub(channel)

    async def call(self, question: Question) -> str:
        """The arguments with which the model calls the tool; empty where it does not. Raises `PerdureError`."""
        request = router.CompleteRequest(
            organization_id=question.organization_id,
            model=question.handle,
            messages=question.messages,
            tools=[question.tool],
            tool_choice="required",
        )
        answer = router.Completion()
        with rpc_errors():
            async for response in self._stub.Complete(request, timeout=WRITE_TIMEOUT_S):
                for event in response.events:
                    answer.MergeFrom(event.completion)
        calls = [part.tool_call for part in answer.parts if part.HasField("tool_call")]
        return calls[0].arguments if calls else ""
