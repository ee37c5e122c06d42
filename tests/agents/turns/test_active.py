"""Which turns hold conversations."""

from perdure.agents.v1 import turn_service_pb2 as pb
from services.common.ids import new_id
from tests.agents.turns.world import END_TURN, ORGANIZATION, World, answered


async def active(
    world: World, *, min_age_s: int = 0, page_size: int = 0, after: str = ""
) -> pb.ListActiveTurnsResponse:
    request = pb.ListActiveTurnsRequest(min_age_s=min_age_s, page_size=page_size, page_token=after)
    return await world.stub.ListActiveTurns(request)


async def test_turns_are_listed_until_they_end(world: World) -> None:
    agent_id, run_id = await world.create_agent(), new_id("run")
    await world.begin(agent_id, run_id)

    held = await active(world)
    young = await active(world, min_age_s=60)
    await world.commit(run_id, assistant=answered("Hi"), end=END_TURN)

    assert pb.ActiveTurn(organization_id=ORGANIZATION, run_id=run_id, conversation_id=agent_id) in held.turns
    assert run_id not in [turn.run_id for turn in young.turns]
    assert run_id not in [turn.run_id for turn in (await active(world)).turns]


async def test_turns_are_listed_in_pages(world: World) -> None:
    for _ in range(3):
        await world.begin(await world.create_agent(), new_id("run"))
    whole = [turn.run_id for turn in (await active(world)).turns]

    first = await active(world, page_size=2)
    rest = await active(world, after=first.next_page_token)

    assert [turn.run_id for turn in [*first.turns, *rest.turns]] == whole == sorted(whole)
