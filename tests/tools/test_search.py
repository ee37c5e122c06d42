"""Tools found by words."""

from typing import Any

import pytest

from services.common.errors import PerdureError
from tests.tools.conftest import Api
from tests.tools.sources import tool_source


@pytest.fixture(autouse=True)
async def tools(api: Api) -> None:
    for name, description, tags in (
        ("fetch_weather", "Says how warm it is.", ["outside"]),
        ("pick_clothes", "Picks clothes for the weather.", ["outside", "home"]),
        ("boil_egg", "Boils an egg.", ["home"]),
    ):
        body = {"source_code": tool_source(name=name), "description": description, "tags": tags}
        await api.call("CreateTool", body)


async def found(api: Api, **body: Any) -> list[str]:
    return [one["tool"]["name"] for one in await api.call("SearchTools", body)]


async def test_words_of_names_come_before_those_of_descriptions(api: Api) -> None:
    answer = await api.call("SearchTools", {"query": "the Weather", "tool_types": ["custom"]})

    assert [one["tool"]["name"] for one in answer] == ["fetch_weather", "pick_clothes"]
    assert list(answer[0]) == ["tool", "embedded_text", "fts_rank", "vector_rank", "combined_score"]
    assert [one["fts_rank"] for one in answer] == [1, 2]
    assert answer[0]["combined_score"] > answer[1]["combined_score"]


async def test_a_word_may_be_the_beginning_of_a_longer_one(api: Api) -> None:
    assert await found(api, query="cloth", search_mode="fts") == ["pick_clothes"]
    assert await found(api, query="xylophone") == []


async def test_types_and_tags_narrow_a_search_down(api: Api) -> None:
    assert await found(api, query="weather", tags=["home"]) == ["pick_clothes"]
    assert await found(api, query="weather", tool_types=["letta_core"]) == []
    assert await found(api, tags=["home", "outside"], limit=2) == ["boil_egg", "pick_clothes"]


async def test_without_words_the_newest_are_found(api: Api) -> None:
    (newest,) = await api.call(
        "SearchTools", {"query": "!", "tool_types": ["custom"], "limit": 1, "search_mode": "vector"}
    )

    assert (newest["tool"]["name"], newest["fts_rank"]) == ("boil_egg", None)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"query": "egg", "search_mode": "vector"}, 400, "Use fts or hybrid"),
        ({"query": "egg", "search_mode": "magic"}, 422, "search_mode"),
        ({"query": "egg", "limit": 0}, 422, "limit"),
        ({"query": "egg", "limit": 101}, 422, "limit"),
    ],
)
async def test_what_cannot_be_searched_is_refused(api: Api, body: Any, status: int, said: str) -> None:
    with pytest.raises(PerdureError) as caught:
        await api.call("SearchTools", body)

    assert caught.value.http_status == status
    assert said in str(caught.value.detail)
