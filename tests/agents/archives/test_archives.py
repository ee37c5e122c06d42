"""Archives and their passages over REST."""

from typing import Any

from tests.agents.neighbours import UNEMBEDDABLE
from tests.agents.service import ABSENT, Api

EMBEDDING = "openai/text-embedding-3-small"
NO_ARCHIVE = f"archive-{ABSENT}"


async def make(api: Api, **body: Any) -> Any:
    """A new archive."""
    return await api.call("CreateArchive", {"name": "arch", "embedding": EMBEDDING} | body)


async def add(api: Api, archive: Any, *texts: str) -> Any:
    """New passages of an archive."""
    passages = [{"text": text} for text in texts]
    return await api.call("CreatePassages", {"passages": passages}, archive_id=archive["id"])


async def texts_of(api: Api, **body: Any) -> list[str]:
    """The texts that a search finds, in order."""
    return [one["passage"]["text"] for one in await api.call("SearchPassages", body)]


async def test_a_new_archive_shows_all_its_fields(api: Api) -> None:
    archive = await make(api, description="d")

    assert list(archive) == [
        "created_by_id", "last_updated_by_id", "created_at", "updated_at", "name", "description", "organization_id",
        "vector_db_provider", "embedding_config", "metadata", "id",
    ]  # fmt: skip
    assert (archive["name"], archive["description"], archive["metadata"]) == ("arch", "d", None)
    assert archive["embedding_config"]["handle"] == EMBEDDING
    assert archive["vector_db_provider"] == "native"
    assert await api.call("GetArchive", archive_id=archive["id"]) == archive


async def test_an_archive_with_an_unknown_embedding_is_refused(api: Api) -> None:
    status, _ = await api.problem("CreateArchive", {"name": "arch", "embedding": "openai/nothing"})

    assert status == 400


async def test_what_does_not_exist_is_not_found(api: Api) -> None:
    archive = await make(api)
    calls: list[tuple[str, Any, dict[str, str]]] = [
        ("GetArchive", None, {"archive_id": NO_ARCHIVE}),
        ("UpdateArchive", {}, {"archive_id": NO_ARCHIVE}),
        ("DeleteArchive", None, {"archive_id": NO_ARCHIVE}),
        ("ListArchiveAgents", None, {"archive_id": NO_ARCHIVE}),
        ("CreatePassage", {"text": "x"}, {"archive_id": NO_ARCHIVE}),
        ("DeletePassage", None, {"archive_id": archive["id"], "passage_id": f"passage-{ABSENT}"}),
        ("ListArchives", None, {"after": NO_ARCHIVE}),
        ("ListArchivalMemory", None, {"agent_id": f"agent-{ABSENT}"}),
        ("SearchPassages", {"archive_id": NO_ARCHIVE}, {}),
        ("SearchPassages", {"agent_id": f"agent-{ABSENT}"}, {}),
    ]

    statuses = [(await api.problem(method, body, **query))[0] for method, body, query in calls]

    assert statuses == [404] * len(calls)


async def test_an_update_keeps_what_it_does_not_name(api: Api) -> None:
    archive = await make(api, description="d")

    changed = await api.call("UpdateArchive", {"name": "new"}, archive_id=archive["id"])

    assert changed == {**archive, "name": "new", "updated_at": changed["updated_at"]}
    assert changed["updated_at"] > archive["updated_at"]


async def test_archives_are_listed_newest_first_by_page_and_name(api: Api) -> None:
    made = [(await make(api, name=f"pages {number}"))["id"] for number in range(3)]

    first = await api.call("ListArchives", limit=2)
    rest = await api.call("ListArchives", after=first[-1]["id"], limit=1)
    named = await api.call("ListArchives", name="pages 1")

    assert [archive["id"] for archive in [*first, *rest]] == made[::-1]
    assert [archive["id"] for archive in named] == [made[1]]


async def test_passages_show_all_their_fields(api: Api) -> None:
    archive = await make(api)
    sent = {"text": "a passage", "tags": ["t", "t"], "metadata": {"a": 1}, "created_at": "2024-05-01T12:00:00+02:00"}

    passage = await api.call("CreatePassage", sent, archive_id=archive["id"])

    assert list(passage) == [
        "created_by_id", "last_updated_by_id", "created_at", "updated_at", "is_deleted", "organization_id",
        "archive_id", "source_id", "file_id", "file_name", "metadata", "tags", "id", "text", "embedding",
        "embedding_config",
    ]  # fmt: skip
    assert (passage["text"], passage["tags"], passage["metadata"]) == ("a passage", ["t"], {"a": 1})
    assert passage["created_at"] == "2024-05-01T10:00:00.000000Z"
    assert passage["archive_id"] == archive["id"]
    assert passage["embedding_config"] == archive["embedding_config"]


async def test_embeddings_are_padded_with_zeros(api: Api) -> None:
    [passage] = await add(api, await make(api), "a passage")

    assert len(passage["embedding"]) == 4096
    assert any(passage["embedding"][:1536])
    assert not any(passage["embedding"][1536:])


async def test_passages_of_a_batch_keep_their_order(api: Api) -> None:
    archive = await make(api)

    made = await add(api, archive, "one", "two", "three")

    assert [passage["text"] for passage in made] == ["one", "two", "three"]
    assert await texts_of(api, archive_id=archive["id"]) == ["three", "two", "one"]


async def test_nothing_of_a_batch_is_stored_when_the_model_fails(api: Api) -> None:
    archive = await make(api, embedding="openai/broken")

    status, detail = await api.problem("CreatePassages", {"passages": [{"text": "x"}]}, archive_id=archive["id"])

    assert (status, detail) == (503, "openai/broken is overloaded")
    assert await texts_of(api, archive_id=archive["id"]) == []


async def test_vectors_of_other_dimensions_are_refused(api: Api) -> None:
    archive = await make(api, embedding="openai/short")

    status, detail = await api.problem("CreatePassage", {"text": "x"}, archive_id=archive["id"])

    assert status == 409
    assert "8 numbers" in detail


async def test_a_passage_without_text_is_malformed(api: Api) -> None:
    archive = await make(api)

    status, _ = await api.problem("CreatePassage", {}, archive_id=archive["id"])

    assert status == 422


async def test_a_deleted_passage_is_gone(api: Api) -> None:
    archive, other = await make(api), await make(api)
    [passage] = await add(api, archive, "one")

    elsewhere = await api.problem("DeletePassage", archive_id=other["id"], passage_id=passage["id"])
    await api.call("DeletePassage", archive_id=archive["id"], passage_id=passage["id"])

    assert elsewhere[0] == 404
    assert await texts_of(api, archive_id=archive["id"]) == []


async def test_agents_share_an_archive(api: Api) -> None:
    archive = await make(api)
    agents = [(await api.create())["id"] for _ in range(2)]
    for agent_id in [*agents, agents[0]]:
        assert await api.call("AttachArchive", agent_id=agent_id, archive_id=archive["id"]) is None
    await api.call("CreateArchivalMemory", {"text": "shared"}, agent_id=agents[0])

    seen = await api.call("ListArchivalMemory", agent_id=agents[1])
    having = await api.call("ListArchiveAgents", archive_id=archive["id"])
    assert await api.call("DetachArchive", agent_id=agents[1], archive_id=archive["id"]) is None

    assert [passage["text"] for passage in seen] == ["shared"]
    assert [agent["id"] for agent in having] == agents[::-1]
    assert await api.call("ListArchivalMemory", agent_id=agents[1]) == []
    assert [one["id"] for one in await api.call("ListArchives", agent_id=agents[0])] == [archive["id"]]


async def test_a_deleted_archive_takes_its_passages_along(api: Api) -> None:
    archive, agent = await make(api), await api.create()
    await add(api, archive, "one")
    await api.call("AttachArchive", agent_id=agent["id"], archive_id=archive["id"])

    await api.call("DeleteArchive", archive_id=archive["id"])

    assert await api.call("ListArchivalMemory", agent_id=agent["id"]) == []


async def test_a_search_goes_by_the_model_of_each_archive(api: Api) -> None:
    agent = await api.create()
    by_meaning, by_words = await make(api), await make(api, embedding=None)
    for archive, texts in ((by_meaning, ["cats sleep", "dogs bark"]), (by_words, ["a cat", "a dog"])):
        await add(api, archive, *texts)
        await api.call("AttachArchive", agent_id=agent["id"], archive_id=archive["id"])

    found = await texts_of(api, agent_id=agent["id"], query="cat or cats?", limit=2)
    within = await texts_of(api, agent_id=agent["id"], archive_id=by_words["id"], query="DO")

    assert found == ["cats sleep", "a cat"]
    assert within == ["a dog"]


async def test_what_fits_better_has_the_larger_score(api: Api) -> None:
    archive = await make(api)
    await add(api, archive, "nothing in common", "the red house", "the red door of the house")

    found = await api.call("SearchPassages", {"archive_id": archive["id"], "query": "the red house"})

    scores = [one["score"] for one in found]
    assert found[0]["passage"]["text"] == "the red house"
    assert scores == sorted(scores, reverse=True)
    assert round(scores[0], 3) == 1.0
    assert found[0]["metadata"] == {}


async def test_an_archive_whose_model_fails_is_searched_by_words(api: Api) -> None:
    archive = await make(api)
    await add(api, archive, "cats sleep", "dogs bark")

    found = await texts_of(api, archive_id=archive["id"], query=f"{UNEMBEDDABLE} dog")

    assert found == ["dogs bark"]


async def test_a_search_without_place_goes_over_all_archives(api: Api) -> None:
    await add(api, await make(api), "zanzibar one")
    await add(api, await make(api, embedding=None), "zanzibar two")

    found = await texts_of(api, query="zanzibar", limit=2)

    assert sorted(found) == ["zanzibar one", "zanzibar two"]
