"""What a model thought: kept, shown, and given back to the vendor that made it, to no other."""

import json

import pytest
from letta_client import AsyncLetta

from tests.e2e.conftest import MakeAgent
from tests.e2e.test_models import MODELS, Model
from tests.e2e.tool_sources import ROLL_DICE
from tests.e2e.vendors import Received, Vendors
from tests.e2e.ways import send

CALL = "Call the roll_dice tool with 16 sides."
# Where each protocol carries a model's earlier thoughts.
FIELDS = {
    "openai": "encrypted_content",
    "anthropic": "signature",
    "gemini": "thoughtSignature",
    "zai": "reasoning_content",
}
UNSIGNED = "skip_thought_signature_validator"  # what Gemini wants on calls that another model made
THINKING = [model for model in MODELS if model.thinks]


def values_of(request: Received, name: str) -> list[str]:
    """All values of a field, at any depth of a request's body."""
    found: list[str] = []

    def collect(fields: dict[str, object]) -> dict[str, object]:
        if fields.get(name) and fields[name] != UNSIGNED:
            found.append(str(fields[name]))
        return fields

    json.loads(json.dumps(request["body"]), object_hook=collect)
    return found


def carries_thoughts(request: Received) -> bool:
    return any(values_of(request, name) for name in FIELDS.values())


@pytest.mark.parametrize("model", THINKING, ids=lambda model: model.handle)
async def test_thoughts_go_back_to_the_vendor_that_made_them(
    client: AsyncLetta, make_agent: MakeAgent, vendors: Vendors, word: str, *, model: Model
) -> None:
    tool = await client.tools.upsert(source_code=ROLL_DICE)
    agent = await make_agent(model.handle, model_settings=model.settings, tool_ids=[tool.id])

    await send(client, agent.id, f"{CALL} {word}")

    first, second = await vendors.received(word)
    assert not carries_thoughts(first)
    assert values_of(second, FIELDS[second["vendor"]])


# Gemini signs calls only: its thoughts are summaries that it does not want back.
@pytest.mark.parametrize("model", [one for one in THINKING if "gemini" not in one.handle], ids=lambda one: one.handle)
async def test_thoughts_survive_from_turn_to_turn(
    client: AsyncLetta, make_agent: MakeAgent, vendors: Vendors, word: str, *, model: Model
) -> None:
    agent = await make_agent(model.handle, model_settings=model.settings)
    await send(client, agent.id, "Hello")

    await send(client, agent.id, f"Hello again, {word}")

    request = await vendors.last(word)
    assert len(values_of(request, FIELDS[request["vendor"]])) == 1


async def test_signatures_are_shown(client: AsyncLetta, make_agent: MakeAgent) -> None:
    claude = next(model for model in MODELS if model.handle.startswith("anthropic/"))
    agent = await make_agent(claude.handle, model_settings=claude.settings)

    answer = await send(client, agent.id, "Hello")

    assert answer.only("reasoning_message").reasoning
    assert answer.only("reasoning_message").signature


async def test_an_agent_goes_on_with_any_other_vendor(
    client: AsyncLetta, make_agent: MakeAgent, vendors: Vendors, word: str
) -> None:
    tool = await client.tools.upsert(source_code=ROLL_DICE)
    agent = await make_agent(tool_ids=[tool.id])

    for number, model in enumerate([*THINKING, *reversed(MODELS)]):
        await client.agents.update(agent.id, model=model.handle, model_settings=model.settings)  # type: ignore[arg-type]  # a union
        answer = await send(client, agent.id, f"{CALL} {word}{number}")

        assert answer.text == "The roll was 8"
        if number < len(THINKING):
            assert not carries_thoughts((await vendors.received(f"{word}{number}"))[0])
