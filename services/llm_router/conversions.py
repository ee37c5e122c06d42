"""The domain's values as messages of llm_router_service.proto."""

from collections.abc import Sequence

from perdure.llm_router.v1 import llm_router_service_pb2 as service
from perdure.llm_router.v1 import model_pb2
from services.llm_router import completion
from services.llm_router.completion import Completion, Delta, Event, Finish
from services.llm_router.model import EmbeddingModel, Model

_FINISH = {
    Finish.STOP: service.FINISH_REASON_STOP,
    Finish.TOOL_CALLS: service.FINISH_REASON_TOOL_CALLS,
    Finish.LENGTH: service.FINISH_REASON_LENGTH,
    Finish.CONTENT_FILTER: service.FINISH_REASON_CONTENT_FILTER,
}


def to_response(events: Sequence[Event], model: model_pb2.Model) -> service.CompleteResponse:
    """A batch of events; a completion names the model."""
    return service.CompleteResponse(
        events=[_delta(event) if isinstance(event, Delta) else _completion(event, model) for event in events]
    )


def _delta(delta: Delta) -> service.CompletionEvent:
    if delta.kind == "text":
        return service.CompletionEvent(part_index=delta.part, text=delta.text)
    if delta.kind == "reasoning":
        return service.CompletionEvent(part_index=delta.part, reasoning=delta.text)
    call = service.ToolCallDelta(id=delta.call_id, name=delta.name, arguments=delta.text)
    return service.CompletionEvent(part_index=delta.part, tool_call=call)


def _completion(completed: Completion, model: model_pb2.Model) -> service.CompletionEvent:
    return service.CompletionEvent(
        part_index=len(completed.parts),
        completion=service.Completion(
            parts=completed.parts,
            finish_reason=_FINISH[completed.finish],
            usage=completed.usage,
            provider_response_id=completed.response_id,
            retries=completed.retries,
            model=model,
        ),
    )


def to_model(model: Model) -> model_pb2.Model:
    """A language model."""
    return model_pb2.Model(
        handle=model.handle,
        name=model.name,
        provider_name=model.provider_name,
        provider_type=model.provider_type,
        provider_category=model.provider_category,
        endpoint=model.endpoint,
        context_window=model.context_window,
        max_output_tokens=model.max_output_tokens,
        reasoning=model.reasoning,
        vision=model.vision,
        tier=model.tier,
    )


def to_embedding_model(model: EmbeddingModel) -> model_pb2.EmbeddingModel:
    """An embedding model."""
    return model_pb2.EmbeddingModel(
        handle=model.handle,
        name=model.name,
        provider_name=model.provider_name,
        provider_type=model.provider_type,
        endpoint=model.endpoint,
        dimensions=model.dimensions,
        chunk_size=model.chunk_size,
        batch_size=model.batch_size,
    )


def to_vectors(vectors: Sequence[completion.Vector]) -> list[service.Vector]:
    """Vectors, in order."""
    return [service.Vector(values=vector) for vector in vectors]
