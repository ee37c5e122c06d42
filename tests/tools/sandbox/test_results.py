"""What tools may return, and what they find when they run."""

from typing import Any

import pytest

from services.tools.sandbox.job import Failed, Job, Printed, Returned
from services.tools.sandbox.sandbox import Sandbox
from tests.tools.sources import tool_source

CLASSES = """
from dataclasses import dataclass
from datetime import date
from pydantic import BaseModel

class Item(BaseModel):
    sku: str
    day: date = date(2026, 3, 9)

@dataclass
class Point:
    x: int

class Closed(BaseModel):
    def model_dump(self): raise RuntimeError("no")
    def __str__(self): return "closed"

class Odd(dict):
    def items(self): raise RuntimeError("no")
"""


async def ending_of(sandbox: Sandbox, source: str, **options: Any) -> Returned | Failed:
    job = Job(source=source, arguments=options.pop("arguments", {}), **options)
    ended = [event async for event in sandbox.run(job)][-1]
    assert not isinstance(ended, Printed)
    return ended


@pytest.mark.parametrize(
    ("returned", "value", "json"),
    [
        ("Item(sku='a')", '{"sku": "a", "day": "2026-03-09"}', ""),
        ("Point(1)", '{"x": 1}', '{"x": 1}'),
        ("[Point(1), 2]", "[{'x': 1}, 2]", '[{"x": 1}, 2]'),
        ("{'at': Point(1)}", '{"at": {"x": 1}}', '{"at": {"x": 1}}'),
        ("Closed()", "closed", ""),
        ("[Odd(a=1)]", "[{'a': 1}]", ""),
        ("{'type': ['string', 'null']}", '{"type": ["string", "null"]}', '{"type": ["string", "null"]}'),
        ("'\\ud800'", "?", ""),
        ("2**70", "1180591620717411303424", "1180591620717411303424"),
    ],
)
async def test_objects_are_told_by_their_fields(sandbox: Sandbox, returned: str, value: str, json: str) -> None:
    ended = await ending_of(sandbox, CLASSES + tool_source(f"return {returned}"))

    assert ended == Returned(value, len(value), json=json)


async def test_an_image_whose_data_is_no_text_is_the_tools_error(sandbox: Sandbox) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": b"png"}

    ended = await ending_of(sandbox, tool_source(f"return {{'type': 'image', 'source': {source}}}"))

    assert ended == Failed("TypeError: Object of type bytes is not JSON serializable")


@pytest.mark.parametrize(
    ("parameters", "body", "value"),
    [
        ("x: Optional[List[int]] = None", "return x", "[1]"),
        ("x: list", "return base64.b64encode(b'a').decode() + hashlib.md5(b'a').hexdigest()[:2]", "YQ==0c"),
        ("x: list, agent_state: AgentState = None", "return isinstance(agent_state, AgentState)", "True"),
    ],
)
async def test_a_function_needs_no_imports_of_types(sandbox: Sandbox, parameters: str, body: str, value: str) -> None:
    source = tool_source(body, parameters=parameters)

    ended = await ending_of(sandbox, source, arguments={"x": ["1"]}, agent_state="{}")

    assert isinstance(ended, Returned), ended
    assert ended.value == value


@pytest.mark.parametrize("annotation", ["'how many'", "'json.Nowhere'", "'list[1](2)'", "'Nowhere'"])
async def test_annotations_may_be_no_types(sandbox: Sandbox, annotation: str) -> None:
    source = f"import json\ndef probe(x: {annotation}) -> 'as it came':\n    return x['a'] + x.a\n"

    assert await ending_of(sandbox, source, arguments={"x": {"a": 1}}) == Returned("2", 1, json="2")


async def test_names_of_the_tool_come_before_those_that_it_is_given(sandbox: Sandbox) -> None:
    source = "class Text:\n    kind = 'own'\n" + tool_source("return Text.kind")

    assert await ending_of(sandbox, source) == Returned("own", 3, json='"own"')


async def test_a_model_cannot_make_up_the_agent_that_calls(sandbox: Sandbox) -> None:
    source = tool_source("return agent_state['name']", parameters="agent_state")

    ended = await ending_of(
        sandbox, source, arguments={"agent_state": {"name": "forged"}}, agent_state='{"name": "true"}'
    )

    assert ended == Returned("true", 4, json='"true"')


@pytest.mark.parametrize(("value", "seen"), [(1, "True"), (0, "False"), ("1", "True"), (2, None)])
async def test_numbers_may_stand_for_truth(sandbox: Sandbox, value: Any, seen: str | None) -> None:
    ended = await ending_of(sandbox, tool_source("return x", parameters="x: bool"), arguments={"x": value})

    if seen is None:
        assert ended == Failed("ValueError: 2 is neither true nor false")
    else:
        assert isinstance(ended, Returned)
        assert ended.value == seen
