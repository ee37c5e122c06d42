"""Responses as servers send them that keep less to the letter than OpenAI."""

from perdure.conversation.v1.model_pb2 import ModelSettings
from services.llm_router.completion import Completion, Delta
from services.llm_router.model import Model
from services.llm_router.prompt import Prompt
from services.llm_router.providers.openai_responses import ResponseReader

MODEL = Model("openai/m", "m", "openai", "openai", "http://h", 8_192, 1_024, reasoning=True)


def test_arguments_may_come_in_one_piece_at_the_end() -> None:
    call = {"type": "function_call", "call_id": "a", "name": "look", "arguments": '{"n":1}'}
    reader = ResponseReader(Prompt(MODEL, (), (), ModelSettings()))

    told = [
        *reader.read({"type": "response.output_item.added", "output_index": 0, "item": {**call, "arguments": ""}}),
        *reader.read({"type": "response.output_item.done", "output_index": 0, "item": call}),
        *reader.read({"type": "response.completed", "response": {"status": "completed"}}),
        *reader.complete(),
    ]

    completion = told[-1]
    assert told[:-1] == [Delta(0, "call", "", "a", "look"), Delta(0, "call", '{"n":1}', "a")]
    assert isinstance(completion, Completion)
    assert completion.parts[0].tool_call.arguments == '{"n":1}'
