"""What happens in a world, by its seed; and what must be true at the end."""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from random import Random

from perdure.conversation.v1.message_pb2 import ROLE_SUMMARY, Message
from services.common.errors import PerdureError
from services.common.ids import new_id
from tests.agents.neighbours import tool_id
from tests.simulation.network import Network
from tests.simulation.pairing import broken_rules
from tests.simulation.services import AgentsService
from tests.simulation.vendors import CALM, CAREFUL, MEMORY, ONCE, SAFE, Vendors
from tests.simulation.world import World, describe, texts_of

EVENTS = 80  # things that happen before the world calms down
FAILURES = ("LLM_OVERLOADED", "CONTEXT_WINDOW_EXCEEDED")  # that the vendors bring about
PATIENCE = 3_000  # packets and sweeps after which a run that has not ended is stuck


class Broken(AssertionError):
    """A promise that did not hold, and all that happened before."""

    def __init__(self, seed: int, problems: list[str], told: list[str]) -> None:
        super().__init__("\n".join([f"seed {seed}:", *problems, "what happened:", *told]))


class _Complaints(logging.Handler):
    """Keeps what the services log as errors, and tasks that end with one."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(self.format(record))


@contextmanager
def _listening() -> Iterator[list[str]]:
    complaints, loggers = _Complaints(), [logging.getLogger(name) for name in ("services", "asyncio")]
    for logger in loggers:
        logger.addHandler(complaints)
    try:
        yield complaints.texts
    finally:
        for logger in loggers:
            logger.removeHandler(complaints)


async def play(agents: AgentsService, seed: int) -> Counter[str]:
    """Plays one seed to its end; how often each thing happened. Raises `Broken`."""
    random = Random(seed)  # a game, not a secret
    network = Network(random)
    world = World(network, Vendors(network), agents)
    with _listening() as complaints:
        await _open(world)
        happened = await _storm(world, complaints)
        await _calm_down(world, complaints)
        problems = [*complaints, *world.vendors.problems, *await _promises(world)]
    if problems:
        raise Broken(seed, problems, network.told)
    return happened


async def _open(world: World) -> None:
    """An agent with tools of every kind; by the seed its own history or a conversation."""
    agent = await world.agents.rest(
        "CreateAgent",
        {
            "model": "openai/gpt-4o-mini",
            "tools": [ONCE, SAFE, CAREFUL, MEMORY],
            "memory_blocks": [{"label": "human", "value": "", "limit": 500}],
            "include_base_tools": False,
        },
    )
    world.agent_id = world.conversation_id = agent["id"]
    if world.network.random.random() < 0.5:
        conversation = await world.agents.rest("CreateConversation", {}, agent_id=world.agent_id)
        world.conversation_id = conversation["id"]
    await world.start_replica()
    await world.start_replica()


async def _storm(world: World, complaints: list[str]) -> Counter[str]:
    """Things happen, the usual ones more often."""
    happenings: list[tuple[Callable[[World], Awaitable[None]], int]] = [
        (_deliver, 120),
        (_send, 10),
        (World.answer, 12),
        (World.cancel, 3),
        (_crash, 3),
        (_freeze, 2),
        (World.thaw, 2),
        (World.sweep, 8),
        (_edit, 3),
        (_compact, 3),
        (_reset, 1),
        (_fork, 1),
        (_repair, 1),
    ]
    kinds, weights = zip(*happenings, strict=True)
    happened: Counter[str] = Counter()
    for kind in world.network.random.choices(kinds, weights, k=EVENTS):
        happened[kind.__name__.strip("_")] += 1
        if kind is not _deliver:
            world.network.told.append(f"- {kind.__name__.strip('_')}")
        await kind(world)
        await world.network.settle()
        if kind is not _deliver:
            complaints += await _broken(world, await world.window(), await world.open_requests())
    return happened


async def _calm_down(world: World, complaints: list[str]) -> None:
    """No more accidents: everything under way comes to its end."""
    world.network.told.append("- calm")
    await world.thaw()
    for _ in range(PATIENCE):
        if await world.network.deliver():
            continue
        if not await world.active_runs():
            break
        await world.sweep()
        await world.network.settle()
    else:
        complaints.append(f"stuck: {await world.active_runs()}")
    if await world.pending_calls():
        await world.cancel()
    last = await world.send(CALM)
    while await world.network.deliver():
        pass
    if last is None or not last.was_accepted:
        complaints.append("the conversation takes no message any more")


async def _promises(world: World) -> list[str]:
    """What does not hold at the end."""
    window, history = await world.window(), await world.history()
    spoken = [message for message in history if message.role != ROLE_SUMMARY]  # those stand where they were written
    problems = [
        *await _broken(world, window, ()),
        *await _broken(world, spoken, await world.void_requests()),
    ]
    if texts_of(window)[-2:] != [CALM, "yes"]:
        problems.append(f"the last answer is missing: {texts_of(window)[-2:]}")
    if await world.active_turns() or await world.active_runs():
        problems.append(f"still held by {await world.active_turns()} and {await world.active_runs()}")
    said, unbegun = Counter(texts_of(history)), await world.never_begun()
    for sent in world.sent:
        times = said[sent.words] if sent.words else 1
        if times > 1 or (times == 0 and sent.was_accepted and sent.run_id not in unbegun):
            problems.append(f"{sent.words} is there {times} times, accepted: {sent.was_accepted}")
    problems += [f"{run_id} counts other steps than are stored" for run_id in await world.miscounted()]
    problems += [f"{message_id} was told to nobody" for message_id in await world.untold()]
    problems += [f"a run failed: {reason}" for reason in await world.failures() if reason not in FAILURES]
    problems += [f"{call} ran {times} times" for call, times in world.vendors.executed.items() if times > 1]
    return problems


async def _broken(world: World, messages: Sequence[Message], open_ids: Collection[str]) -> list[str]:
    """The rules that these messages break; then they are told, too."""
    problems = broken_rules(messages, open_ids=open_ids)
    if problems:
        world.network.told += [f"    {describe(message)}" for message in messages]
    return problems


async def _deliver(world: World) -> None:
    await world.network.deliver(lost=0.1, late=0.5)


async def _send(world: World) -> None:
    if world.living:
        await world.send(f"word-{new_id('run')}")


async def _crash(world: World) -> None:
    if world.living:
        world.network.random.choice(world.busy or world.living).crash(world.network)
        await world.start_replica()


async def _freeze(world: World) -> None:
    if len(world.living) > 1:
        world.network.random.choice(world.busy or world.living).host.frozen = True


async def _edit(world: World) -> None:
    kind = world.network.random.choice(["prompt", "detach", "attach", "block"])
    chosen = tool_id(world.network.random.choice([ONCE, SAFE, CAREFUL]))
    if kind == "prompt":
        await _try(world, "UpdateAgent", {"system": f"You are {new_id('run')}."}, agent_id=world.agent_id)
    elif kind == "block":
        path = {"agent_id": world.agent_id, "block_label": "human"}
        await _try(world, "UpdateCoreMemoryBlock", {"value": new_id("run")}, **path)
    else:
        await _try(world, f"{kind.capitalize()}Tool", agent_id=world.agent_id, tool_id=chosen)


async def _compact(world: World) -> None:
    body = {"compaction_settings": {"mode": world.network.random.choice(["all", "sliding_window"])}}
    await _try(world, "CompactConversation", body, conversation_id=world.conversation_id)


async def _reset(world: World) -> None:
    if world.conversation_id == world.agent_id:
        await _try(world, "ResetMessages", {}, agent_id=world.agent_id)


async def _fork(world: World) -> None:
    fork = await world.agents.rest("ForkConversation", conversation_id=world.conversation_id)
    await _try(world, "DeleteConversation", conversation_id=fork["id"])


async def _repair(world: World) -> None:
    answer = await world.agents.rest("RepairAgent", agent_id=world.agent_id)
    if answer["repaired"]:
        world.vendors.problems.append(f"there was something to repair: {answer}")


async def _try(world: World, method: str, body: object = None, **query: str) -> None:
    """A call of the API that may be refused, but not break."""
    try:
        await world.agents.rest(method, body, **query)
    except PerdureError as refusal:
        if refusal.http_status >= 500:
            raise
        world.network.told.append(f"  refused: {refusal.detail}")
