"""No history becomes something that a provider refuses."""

from random import Random

import pytest

from perdure.conversation.v1.model_pb2 import ModelSettings
from perdure.llm_router.v1.llm_router_service_pb2_grpc import LlmRouterServiceStub
from tests.fakes.provider import ProviderFake
from tests.llm_router.any_history import make_history
from tests.llm_router.asking import ALL_MODELS, ROLL_DICE, THINKING, ask, question

HISTORIES = 60  # for each model


@pytest.mark.parametrize("model", ALL_MODELS)
async def test_every_history_is_accepted_at_once(stub: LlmRouterServiceStub, fake: ProviderFake, model: str) -> None:
    for seed in range(HISTORIES):
        random = Random(f"{model} {seed}")
        settings = random.choice((THINKING, ModelSettings()))
        tools = random.choice(([ROLL_DICE], []))
        fake.traffic.clear()

        last = random.choice(([], ["Say 'yes'."]))
        await ask(stub, question(model, *make_history(random), *last, tools=tools, settings=settings))

        asked = [request for request in fake.traffic if request.body]
        assert len(asked) == 1, f"seed {seed} was refused"
