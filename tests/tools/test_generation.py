"""Tools that a model writes."""

from typing import Any

import orjson
import pytest

from services.common.errors import PerdureError
from tests.tools.conftest import Api, ScriptedModels
from tests.tools.sources import roll_dice

WANTED = {"tool_name": "roll_dice", "prompt": "Roll a die.", "handle": "openai/gpt-4o", "validation_errors": []}


def handed_in(**changes: Any) -> str:
    written = {"source_code": roll_dice(), "sample_args": {"num_sides": 6}, "explanation": "It rolls.", **changes}
    return orjson.dumps(written).decode()


async def test_a_model_writes_a_tool_that_is_not_stored(api: Api, models: ScriptedModels) -> None:
    models.script = [handed_in(pip_requirements=["six"])]

    answer = await api.call("GenerateTool", {**WANTED, "starter_code": "def roll_dice(): ..."})

    (question,) = models.asked
    asked = question.messages[1].parts[0].text
    assert (question.handle, question.tool.name) == ("openai/gpt-4o", "write_tool")
    assert "Roll a die." in asked
    assert "def roll_dice(): ..." in asked
    assert (answer["sample_args"], answer["response"]) == ({"num_sides": 6}, "It rolls.")
    assert answer["tool"]["json_schema"]["parameters"]["required"] == ["num_sides"]
    assert answer["tool"]["pip_requirements"] == [{"name": "six", "version": None}]
    assert await api.call("CountTools", name="roll_dice") == 0


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (handed_in(source_code="def roll_dice(:"), "line 1"),
        (handed_in(source_code=roll_dice("other")), "has to be called roll_dice"),
        (handed_in(pip_requirements=["https://x"]), "https://x"),
        ("{", "Invalid JSON"),
        ("", "source_code: Field required"),
    ],
)
async def test_a_model_is_told_what_is_wrong_and_writes_again(
    api: Api, models: ScriptedModels, broken: str, told: str
) -> None:
    models.script = [broken, handed_in()]

    answer = await api.call("GenerateTool", {**WANTED, "validation_errors": ["It was too slow."]})

    first, second = (question.messages[1].parts[0].text for question in models.asked)
    assert "It was too slow." in first
    assert told in second
    assert answer["tool"]["name"] == "roll_dice"


async def test_a_model_that_writes_nothing_usable_is_given_up(api: Api, models: ScriptedModels) -> None:
    models.script = [""] * 3

    with pytest.raises(PerdureError) as caught:
        await api.call("GenerateTool", WANTED)

    assert (caught.value.http_status, caught.value.should_retry) == (503, False)
    assert "openai/gpt-4o wrote no usable tool" in str(caught.value.detail)


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"handle": None}, 400, "handle"),
        ({"tool_name": "two words"}, 422, "tool_name"),
        ({"prompt": ""}, 422, "prompt"),
    ],
)
async def test_what_cannot_be_written_is_refused(api: Api, change: Any, status: int, said: str) -> None:
    with pytest.raises(PerdureError) as caught:
        await api.call("GenerateTool", WANTED | change)

    assert caught.value.http_status == status
    assert said in str(caught.value.detail)
