"""Thoughts that stand where Anthropic refuses them do not end a conversation."""

import orjson

from perdure.conversation.v1.message_pb2 import ROLE_ASSISTANT
from perdure.llm_router.v1.llm_router_service_pb2 import Completion
from perdure.llm_router.v1.llm_router_service_pb2_grpc import LlmRouterServiceStub
from tests.fakes.provider import ProviderFake
from tests.llm_router.asking import CLAUDE, ROLL_DICE, THINKING, ask, question, returned, say, spoken

ROLL = "Call the roll_dice tool with 16 sides and reply back to me with the outcome."
UNTHINKING = "anthropic/claude-3-5-haiku-20241022"


def calls(fake: ProviderFake) -> int:
    return sum(request.path.endswith("/messages") for request in fake.traffic)


async def call_with_thoughts(stub: LlmRouterServiceStub) -> Completion:
    called = (await ask(stub, question(CLAUDE, ROLL, tools=[ROLL_DICE], settings=THINKING))).completion
    assert called.parts[0].HasField("reasoning")
    return called


async def test_thoughts_behind_words_of_the_client_in_the_models_name_are_left_out(
    stub: LlmRouterServiceStub, fake: ProviderFake
) -> None:
    called = await call_with_thoughts(stub)
    history = (ROLL, say("I will.", ROLE_ASSISTANT), spoken(called, CLAUDE), returned(called))

    heard = await ask(stub, question(CLAUDE, *history, tools=[ROLL_DICE], settings=THINKING))

    assert heard.text == "The roll was 7"
    assert calls(fake) == 2


async def test_a_message_right_behind_results_does_not_make_a_model_think_that_began_without(
    stub: LlmRouterServiceStub, fake: ProviderFake
) -> None:
    called = (await ask(stub, question(CLAUDE, ROLL, tools=[ROLL_DICE]))).completion
    history = (ROLL, spoken(called, CLAUDE), returned(called), "Say 'well'.")

    heard = await ask(stub, question(CLAUDE, *history, tools=[ROLL_DICE], settings=THINKING))

    assert heard.text == "well"
    assert calls(fake) == 2


async def test_a_model_that_does_not_think_gets_no_thoughts_back(
    stub: LlmRouterServiceStub, fake: ProviderFake
) -> None:
    called = await call_with_thoughts(stub)

    await ask(stub, question(UNTHINKING, ROLL, spoken(called, CLAUDE), returned(called), tools=[ROLL_DICE]))

    assert b"signature" not in orjson.dumps(list(fake.traffic)[-1].body)
