"""Compaction of the window of a running turn, with a router that writes summaries."""

from typing import Any

import pytest

from perdure.conversation.v1.message_pb2 import ROLE_SUMMARY, ToolCall, Usage
from services.agents.turns.cut import split_units
from services.common.errors import OutOfRange, Superseded
from services.common.ids import new_id
from services.common.pairing import repair
from tests.agents.turns.world import (
    CALL,
    END_TURN,
    ORGANIZATION,
    World,
    answered,
    approved,
    calling,
    returned,
    said,
    texts,
)


@pytest.fixture(autouse=True)
def fresh_router(world: World) -> None:
    world.router.asked.clear()
    world.router.broken.clear()
    world.router.answer = "summary {number}"


async def agent_with_history(world: World, turns: int = 4, **settings: Any) -> str:
    agent_id = await world.create_agent(
        compaction_settings={"model": "openai/small", "prompt": "Summarise."} | settings
    )
    for number in range(turns):
        run_id = new_id("run")
        await world.begin(agent_id, run_id, input=[said(f"question {number}")])
        await world.commit(run_id, assistant=answered(f"answer {number}"), end=END_TURN)
    return agent_id


async def test_the_oldest_messages_are_replaced_by_a_summary(world: World) -> None:
    agent_id, run_id = await agent_with_history(world), new_id("run")
    begun = (await world.begin(agent_id, run_id)).snapshot

    compacted = await world.compact(run_id, begun.window_version)

    window = ["You are an agent.", "summary 1", "answer 1", "question 2", "answer 2", "question 3", "answer 3", "hello"]
    assert texts(compacted.window) == window
    assert texts(await world.window(agent_id)) == window
    assert (compacted.summary.role, compacted.summary.run_id) == (ROLE_SUMMARY, run_id)
    assert compacted.window_version == begun.window_version + 1
    [asked] = world.router.asked
    assert asked.model == "openai/small"
    assert texts(asked.messages) == ["Summarise.", "User: question 0\n\nAssistant: answer 0\n\nUser: question 1"]


async def test_the_turn_goes_on_after_a_compaction_and_everything_stays_listed(world: World) -> None:
    agent_id, run_id = await agent_with_history(world), new_id("run")
    begun = (await world.begin(agent_id, run_id)).snapshot
    await world.compact(run_id, begun.window_version)

    await world.commit(run_id, assistant=answered("hi"), end=END_TURN)
    await world.talk(agent_id)

    assert texts(await world.window(agent_id))[-4:] == ["hello", "hi", "hello", "hi"]
    async with world.database.begin() as tx:
        counts = await world.history.count_messages(tx, ORGANIZATION, [agent_id])
    assert counts[agent_id].stored == 1 + 8 + 1 + 1 + 1 + 2


async def test_the_same_compaction_again_changes_nothing(world: World) -> None:
    agent_id, run_id = await agent_with_history(world), new_id("run")
    begun = (await world.begin(agent_id, run_id)).snapshot

    first = await world.compact(run_id, begun.window_version)
    second = await world.compact(run_id, begun.window_version)

    assert (first.window, first.window_version) == (second.window, second.window_version)
    assert len(world.router.asked) == 1


async def test_more_goes_when_the_rest_is_still_too_large(world: World) -> None:
    agent_id, run_id = await agent_with_history(world), new_id("run")
    begun = (await world.begin(agent_id, run_id)).snapshot

    compacted = await world.compact(run_id, begun.window_version, target_tokens=25)

    assert texts(compacted.window) == ["You are an agent.", "summary 1", "hello"]


async def test_the_tokens_that_the_provider_counted_decide(world: World) -> None:
    agent_id, run_id = await agent_with_history(world), new_id("run")
    await world.begin(agent_id, run_id)
    dense = Usage(total_tokens=100_000)
    committed = await world.commit(run_id, assistant=calling(CALL), returns=[returned()], usage=dense)

    compacted = await world.compact(run_id, committed.window_version, target_tokens=200)

    assert texts(compacted.window) == ["You are an agent.", "summary 1", "hello", "roll", "6"]


async def test_the_mode_all_leaves_the_summary_and_what_is_being_answered(world: World) -> None:
    agent_id, run_id = await agent_with_history(world, mode="all"), new_id("run")
    begun = (await world.begin(agent_id, run_id)).snapshot

    compacted = await world.compact(run_id, begun.window_version)

    assert texts(compacted.window) == ["You are an agent.", "summary 1", "hello"]


async def test_an_agent_may_summarise_for_itself(world: World) -> None:
    agent_id = await agent_with_history(world, mode="self_compact_all", prompt_acknowledgement=True)
    begun = (await world.begin(agent_id, run_id := new_id("run"))).snapshot

    await world.compact(run_id, begun.window_version)

    [asked] = world.router.asked
    assert asked.model == "openai/m"
    system, task, acknowledgement, material = texts(asked.messages)
    assert (system, task) == ("You are an agent.", "Summarise.")
    assert acknowledgement
    assert material.startswith("User: question 0")


async def test_the_agents_own_model_steps_in_for_a_summariser_that_fails(world: World) -> None:
    agent_id, run_id = await agent_with_history(world), new_id("run")
    begun = (await world.begin(agent_id, run_id)).snapshot
    world.router.broken.add("openai/small")

    compacted = await world.compact(run_id, begun.window_version)

    assert [asked.model for asked in world.router.asked] == ["openai/small", "openai/m"]
    assert texts([compacted.summary]) == ["summary 2"]


async def test_without_any_summary_the_oldest_messages_are_dropped(world: World) -> None:
    agent_id, run_id = await agent_with_history(world), new_id("run")
    begun = (await world.begin(agent_id, run_id)).snapshot
    world.router.broken |= {"openai/small", "openai/m"}

    compacted = await world.compact(run_id, begun.window_version)

    assert not compacted.HasField("summary")
    assert texts(compacted.window)[:2] == ["You are an agent.", "answer 1"]


async def test_a_long_material_is_summarised_in_pieces(world: World) -> None:
    agent_id, first_run = await world.create_agent(), new_id("run")
    await world.begin(agent_id, first_run, input=[said("word " * 900)])
    await world.end(first_run)
    begun = (await world.begin(agent_id, run_id := new_id("run"))).snapshot

    compacted = await world.compact(run_id, begun.window_version)

    assert len(world.router.asked) == 4
    assert "summary 1" in texts(world.router.asked[1].messages)[1]
    assert texts(compacted.window) == ["You are an agent.", "summary 4", "hello"]


async def test_a_summary_is_cut_to_the_length_that_the_settings_allow(world: World) -> None:
    agent_id, run_id = await agent_with_history(world, clip_chars=10), new_id("run")
    begun = (await world.begin(agent_id, run_id)).snapshot
    world.router.answer = "far too long a summary {number}"

    compacted = await world.compact(run_id, begun.window_version)

    [text] = texts([compacted.summary])
    assert text.startswith("far to")
    assert "left out" in text


async def test_long_tool_returns_of_the_latest_step_are_clipped_for_the_model_only(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.begin(agent_id, run_id)
    committed = await world.commit(run_id, assistant=calling(CALL), returns=[returned(value="x" * 9_000)])

    compacted = await world.compact(run_id, committed.window_version)
    again = await world.compact(run_id, compacted.window_version)

    shown = compacted.window[-1].parts[0].tool_return.value
    assert 1_000 <= len(shown) < 3_000
    assert "left out" in shown
    assert texts(again.window) == ["You are an agent.", "hello", "summary 2"]
    async with world.database.begin() as tx:
        whole = await world.messages.get(tx, ORGANIZATION, committed.messages[1].id)
    assert len(whole.parts[0].tool_return.value) == 9_000


async def test_a_message_that_is_too_large_alone_is_out_of_range(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    begun = (await world.begin(agent_id, run_id, input=[said("word " * 10_000)])).snapshot

    with pytest.raises(OutOfRange) as raised:
        await world.compact(run_id, begun.window_version)

    assert raised.value.reason == "NOTHING_TO_REMOVE"


async def test_compacting_again_and_again_comes_to_an_end(world: World) -> None:
    agent_id, run_id = await agent_with_history(world), new_id("run")
    version = (await world.begin(agent_id, run_id)).snapshot.window_version

    compactions = 0
    while len(await world.window(agent_id)) > 2:
        version = (await world.compact(run_id, version)).window_version
        compactions += 1

    assert compactions < 10
    with pytest.raises(OutOfRange):
        await world.compact(run_id, version)
    assert texts(await world.window(agent_id)) == ["You are an agent.", "hello"]


async def test_a_step_is_never_torn_apart(world: World) -> None:
    agent_id = await world.create_agent()
    for number in range(5):
        run_id = new_id("run")
        await world.begin(agent_id, run_id)
        call = ToolCall(id=f"call_{number}", name="roll", arguments="{}")
        await world.commit(run_id, assistant=calling(call), returns=[returned(call)])
        await world.commit(run_id, 2, assistant=answered("done"), end=END_TURN)
    version = (await world.begin(agent_id, run_id := new_id("run"))).snapshot.window_version

    for target in (400, 300, 200, 150, 120):
        compacted = await world.compact(run_id, version, target_tokens=target)
        version = compacted.window_version

        assert repair(compacted.window).problems == []
        assert all(len(unit) in (1, 2) for unit in split_units(compacted.window[1:]))


async def test_an_answered_request_stays_until_its_returns_are_there(world: World) -> None:
    agent_id = await agent_with_history(world, turns=2)
    await world.request_approval(agent_id)
    begun = (await world.begin(agent_id, run_id := new_id("run"), approvals=[approved()])).snapshot

    compacted = await world.compact(run_id, begun.window_version, target_tokens=1)
    committed = await world.commit(run_id, returns=[returned()], tool_message_id=new_id("message"))

    assert texts(compacted.window) == ["You are an agent.", "summary 1", "roll", ""]
    assert texts(committed.messages) == ["6"]
    assert texts(await world.window(agent_id))[-3:] == ["roll", "", "6"]


async def test_only_the_owner_of_an_active_turn_compacts(world: World) -> None:
    agent_id, run_id = await agent_with_history(world), new_id("run")
    begun = (await world.begin(agent_id, run_id)).snapshot
    await world.begin(agent_id, run_id, attempt=2)

    with pytest.raises(Superseded):
        await world.compact(run_id, begun.window_version)
    await world.end(run_id)
    with pytest.raises(Superseded) as raised:
        await world.compact(run_id, begun.window_version, attempt=2)

    assert raised.value.reason == "TURN_ENDED"
