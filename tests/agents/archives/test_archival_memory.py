"""The archival memory of an agent over REST."""

import asyncio
from typing import Any

import pytest

from tests.agents.service import ABSENT, Api

EMBEDDING = "openai/text-embedding-3-small"


@pytest.fixture(params=[EMBEDDING, None], ids=["by meaning", "by words"])
async def agent_id(api: Api, request: pytest.FixtureRequest) -> str:
    """An agent in Rome with three passages."""
    agent = await api.create(embedding=request.param, timezone="Europe/Rome")
    for body in (
        {"text": "The cat sat on the mat.", "tags": ["cats"], "created_at": "2024-05-01T12:00:00Z"},
        {"text": "Quantum physics is difficult.", "tags": ["physics", "hard"], "created_at": "2024-05-02T22:30:00Z"},
        {"text": "The dog barked at the cat."},
    ):
        await api.call("CreateArchivalMemory", body, agent_id=agent["id"])
    return str(agent["id"])


async def found(api: Api, agent_id: str, query: str, **options: Any) -> list[str]:
    """The texts that a search finds, in order."""
    answer = await api.call("SearchArchivalMemory", agent_id=agent_id, query=query, **options)
    assert answer["count"] == len(answer["results"])
    return [result["content"] for result in answer["results"]]


async def listed(api: Api, agent_id: str, **options: Any) -> list[str]:
    """The ids of a page of passages."""
    return [one["id"] for one in await api.call("ListArchivalMemory", agent_id=agent_id, **options)]


async def test_an_agent_gets_its_archive_with_its_first_passage(api: Api) -> None:
    agent = await api.create(embedding=EMBEDDING, name="Ada")
    before = await api.call("ListArchives", agent_id=agent["id"])

    [passage] = await api.call("CreateArchivalMemory", {"text": "one"}, agent_id=agent["id"])
    [archive] = await api.call("ListArchives", agent_id=agent["id"])

    assert before == []
    assert passage["archive_id"] == archive["id"]
    assert archive["name"] == "Ada's Archive"
    assert archive["embedding_config"]["handle"] == EMBEDDING


async def test_first_passages_at_the_same_time_share_one_archive(api: Api) -> None:
    agent = await api.create(embedding=EMBEDDING)
    texts = [f"passage {number}" for number in range(5)]

    await asyncio.gather(*(api.call("CreateArchivalMemory", {"text": text}, agent_id=agent["id"]) for text in texts))

    assert len(await api.call("ListArchives", agent_id=agent["id"])) == 1
    assert len(await listed(api, agent["id"])) == 5


async def test_an_archive_keeps_its_model_when_the_agent_takes_another(api: Api) -> None:
    agent = await api.create(embedding=EMBEDDING)
    await api.call("CreateArchivalMemory", {"text": "one"}, agent_id=agent["id"])

    await api.call("UpdateAgent", {"embedding": "openai/broken"}, agent_id=agent["id"])
    [second] = await api.call("CreateArchivalMemory", {"text": "two"}, agent_id=agent["id"])

    assert second["embedding_config"]["handle"] == EMBEDDING
    assert await found(api, agent["id"], "two", top_k=1) == ["two"]


@pytest.mark.parametrize("timezone", ["Asia/Tokyo", "America/New_York"])
async def test_times_before_and_after_all_others_leave_nothing_out(api: Api, timezone: str) -> None:
    agent = await api.create(timezone=timezone)
    for time in ("0001-01-02T00:00:00Z", "2024-05-01T12:00:00Z", "9999-12-30T12:00:00Z"):
        await api.call("CreateArchivalMemory", {"text": f"of {time[:4]}", "created_at": time}, agent_id=agent["id"])

    always = {"start_datetime": "0001-01-01", "end_datetime": "9999-12-31"}
    assert len(await found(api, agent["id"], "of", **always)) == 3


@pytest.mark.parametrize("timezone", ["Asia/Tokyo", "America/New_York"])
async def test_passages_of_times_that_a_zone_cannot_show_are_found(api: Api, timezone: str) -> None:
    agent = await api.create(timezone=timezone)
    times = ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00"]
    for time in times:
        await api.call("CreateArchivalMemory", {"text": "one", "created_at": time}, agent_id=agent["id"])

    answer = await api.call("SearchArchivalMemory", agent_id=agent["id"], query="one")

    assert len({one["timestamp"] for one in answer["results"]} & set(times)) == 1


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
async def test_a_time_that_is_none_in_utc_is_refused(api: Api, time: str) -> None:
    agent = await api.create()

    status, detail = await api.problem("CreateArchivalMemory", {"text": "x", "created_at": time}, agent_id=agent["id"])

    assert status == 422
    assert "years 1 to 9999" in str(detail)


async def test_no_archive_is_left_behind_when_the_model_fails(api: Api) -> None:
    agent = await api.create(embedding="openai/broken")

    status, _ = await api.problem("CreateArchivalMemory", {"text": "one"}, agent_id=agent["id"])

    assert status == 503
    assert await api.call("ListArchives", agent_id=agent["id"]) == []


async def test_without_a_model_passages_have_no_embedding(api: Api) -> None:
    agent = await api.create()

    [passage] = await api.call("CreateArchivalMemory", {"text": ""}, agent_id=agent["id"])

    assert (passage["embedding"], passage["embedding_config"], passage["tags"]) == (None, None, None)


async def test_an_empty_passage_has_a_vector_of_nothing(api: Api) -> None:
    agent = await api.create(embedding=EMBEDDING)

    [passage] = await api.call("CreateArchivalMemory", {"text": ""}, agent_id=agent["id"])
    await api.call("CreateArchivalMemory", {"text": "The sky is green."}, agent_id=agent["id"])

    assert set(passage["embedding"]) == {0.0}
    assert await found(api, agent["id"], "what is green", top_k=1) == ["The sky is green."]


async def test_a_search_ranks_what_fits(api: Api, agent_id: str) -> None:
    assert await found(api, agent_id, "where is the cat on the mat", top_k=1) == ["The cat sat on the mat."]


@pytest.mark.parametrize(
    ("mode", "texts"),
    [("any", {"The cat sat on the mat.", "Quantum physics is difficult."}), ("all", set())],
)
async def test_a_search_goes_by_tags(api: Api, agent_id: str, mode: str, texts: set[str]) -> None:
    query = "is physics difficult for the cat"

    assert set(await found(api, agent_id, query, tags=["physics", "cats"], tag_match_mode=mode)) == texts
    assert await found(api, agent_id, query, tags=["hard", "physics"], tag_match_mode="all") == [
        "Quantum physics is difficult."
    ]


@pytest.mark.parametrize(
    ("start", "end", "count"),
    [
        ("2024-05-02", "2024-05-02", 0),  # in Rome it was the 3rd already
        ("2024-05-03", "2024-05-03", 1),
        ("2024-05-01T14:00", "2024-05-01T14:00", 1),
        ("2024-05-02T22:00:00Z", "2024-05-02T23:00:00+00:00", 1),
        ("2024-01-01", "2024-12-31", 2),
        ("", "2024-12-31", 2),
    ],
)
async def test_a_search_goes_by_dates_in_the_agent_s_zone(
    api: Api, agent_id: str, start: str, end: str, count: int
) -> None:
    query = "is physics difficult for the cat"

    assert len(await found(api, agent_id, query, start_datetime=start, end_datetime=end)) == count


async def test_what_is_found_shows_the_agent_s_time(api: Api, agent_id: str) -> None:
    answer = await api.call("SearchArchivalMemory", agent_id=agent_id, query="quantum", top_k=1)

    [result] = answer["results"]
    assert list(result) == ["id", "timestamp", "content", "tags"]
    assert (result["timestamp"], result["tags"]) == ("2024-05-03T00:30:00+02:00", ["physics", "hard"])


@pytest.mark.parametrize("options", [{}, {"query": "x", "start_datetime": "soon"}, {"query": "x", "top_k": -1}])
async def test_a_malformed_search_is_refused(api: Api, agent_id: str, options: dict[str, Any]) -> None:
    status, detail = await api.problem("SearchArchivalMemory", agent_id=agent_id, **options)

    assert status == 422
    assert "'query'" in detail


async def test_passages_are_listed_oldest_first_and_by_page(api: Api, agent_id: str) -> None:
    ids = await listed(api, agent_id)
    texts = [one["text"] for one in await api.call("ListArchivalMemory", agent_id=agent_id, search="CAT")]

    assert texts == ["The cat sat on the mat.", "The dog barked at the cat."]
    assert await listed(api, agent_id, limit=1, after=ids[0]) == [ids[1]]
    assert await listed(api, agent_id, before=ids[1]) == [ids[0]]
    assert await listed(api, agent_id, limit=2, ascending=False) == ids[:0:-1]
    assert (await api.problem("ListArchivalMemory", agent_id=agent_id, after=f"passage-{ABSENT}"))[0] == 404


async def test_a_deleted_passage_is_gone(api: Api, agent_id: str) -> None:
    first, *rest = await listed(api, agent_id)

    answer = await api.call("DeleteArchivalMemory", agent_id=agent_id, memory_id=first)

    assert list(answer) == ["message"]
    assert await listed(api, agent_id) == rest
    assert (await api.problem("DeleteArchivalMemory", agent_id=agent_id, memory_id=first))[0] == 404


async def test_the_context_overview_counts_passages(api: Api, agent_id: str) -> None:
    assert (await api.call("GetContextWindow", agent_id=agent_id))["num_archival_memory"] == 3


async def test_a_deleted_agent_s_own_archive_goes_with_it(api: Api, agent_id: str) -> None:
    [archive] = await api.call("ListArchives", agent_id=agent_id)

    await api.call("DeleteAgent", agent_id=agent_id)

    assert (await api.problem("GetArchive", archive_id=archive["id"]))[0] == 404


@pytest.mark.parametrize("keep", ["shared", "detached"])
async def test_an_archive_that_is_not_the_agent_s_alone_stays(api: Api, agent_id: str, keep: str) -> None:
    [archive] = await api.call("ListArchives", agent_id=agent_id)
    if keep == "shared":
        await api.call("AttachArchive", agent_id=(await api.create())["id"], archive_id=archive["id"])
    else:
        await api.call("DetachArchive", agent_id=agent_id, archive_id=archive["id"])

    await api.call("DeleteAgent", agent_id=agent_id)

    assert await api.call("GetArchive", archive_id=archive["id"]) == archive


async def test_after_its_archive_is_detached_an_agent_gets_another(api: Api, agent_id: str) -> None:
    [archive] = await api.call("ListArchives", agent_id=agent_id)
    await api.call("DetachArchive", agent_id=agent_id, archive_id=archive["id"])

    [passage] = await api.call("CreateArchivalMemory", {"text": "new"}, agent_id=agent_id)

    assert passage["archive_id"] != archive["id"]
    assert await listed(api, agent_id) == [passage["id"]]
