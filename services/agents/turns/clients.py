"""llm_router, as the writer of summaries."""

import grpc

from perdure.llm_router.v1 import llm_router_service_pb2 as router
from perdure.llm_router.v1.llm_router_service_pb2_grpc import LlmRouterServiceStub
from services.agents.turns.summaries import Question
from services.common.errors import Unavailable
from services.common.status import rpc_errors

SUMMARY_TIMEOUT_S = 120.0  # seconds; a long summary by a slow model


class RouterSummarizer:
    """Asks the models that llm_router knows."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = LlmRouterServiceStub(channel)

    async def answer(self, question: Question) -> str:
        """What the model says. Raises what LlmRouterService.Complete raises, and `Unavailable` for an empty answer."""
        request = router.CompleteRequest(
            organization_id=question.organization_id,
            model=question.model,
            messages=question.messages,
            settings=question.settings,
            tool_choice="none",
            agent_id=question.agent_id,
            run_id=question.run_id,
        )
        answer = router.Completion()
        with rpc_errors():
            async for response in self._stub.Complete(request, timeout=SUMMARY_TIMEOUT_S):
                for event in response.events:
                    answer.MergeFrom(event.completion)
        text = "".join(part.text for part in answer.parts).strip()
        if not text:
            raise Unavailable(f"{question.model} gave an empty summary.")
        return text
