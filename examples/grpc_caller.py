"""The same work over typed gRPC, with the generated stubs alone.

.venv/bin/python examples/grpc_caller.py [127.0.0.1:8283]
"""

import asyncio
import sys
from collections.abc import AsyncIterable

import grpc

from perdure.agents.v1.agent_service_pb2 import CreateAgentRequest, DeleteAgentRequest, ListMessagesRequest
from perdure.agents.v1.agent_service_pb2_grpc import AgentServiceStub
from perdure.conversation.v1.message_pb2 import ROLE_USER, Message, Part
from perdure.llm_router.v1.llm_router_service_pb2 import CompleteRequest, EmbedRequest
from perdure.llm_router.v1.llm_router_service_pb2_grpc import LlmRouterServiceStub
from perdure.runs.v1.run_pb2 import RunStatus
from perdure.runs.v1.run_service_pb2 import CancelRunRequest, StartRunRequest, WatchRunRequest, WatchRunResponse
from perdure.runs.v1.run_service_pb2_grpc import RunServiceStub
from perdure.tools.v1.tool_service_pb2 import ExecuteRequest, UpsertToolRequest
from perdure.tools.v1.tool_service_pb2_grpc import ToolServiceStub

ORGANIZATION = "org-00000000-0000-4000-8000-000000000000"  # the one of a fresh install
MODEL = "perdure/echo"
DOUBLE = '''
def double(number: int) -> int:
    """Doubles a number.

    Args:
        number: The number.
    """
    return 2 * number
'''


def say(text: str) -> list[Message]:
    return [Message(role=ROLE_USER, parts=[Part(text=text)])]


async def show(responses: AsyncIterable[WatchRunResponse]) -> int:
    """Prints typed events; answers the number of the last one."""
    last = 0
    async for response in responses:
        for event in response.events:
            last = event.seq
            print(f"  {event.seq:3} {event.WhichOneof('event')}", event.delta.text or event.delta.tool_call.arguments)
    return last


async def main(address: str) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        agents, runs = AgentServiceStub(channel), RunServiceStub(channel)
        router, tools = LlmRouterServiceStub(channel), ToolServiceStub(channel)

        tool = (await tools.UpsertTool(UpsertToolRequest(organization_id=ORGANIZATION, source_code=DOUBLE))).tool
        async for event in tools.Execute(
            ExecuteRequest(
                organization_id=ORGANIZATION, tool_id=tool.definition.id, call_id="call_1", arguments='{"number": 21}'
            )
        ):
            print("double(21) =", event.tool_return.value)

        request = CreateAgentRequest(organization_id=ORGANIZATION, model=MODEL, tool_ids=[tool.definition.id])
        agent = (await agents.CreateAgent(request)).agent
        print("made", agent.id, "with", [tool.name for tool in agent.tools])

        start = StartRunRequest(
            organization_id=ORGANIZATION, conversation_id=agent.id, input=say('call tool double with {"number": 4}')
        )
        run = (await runs.StartRun(start)).run
        watch = WatchRunRequest(organization_id=ORGANIZATION, run_id=run.id)
        last = await show(runs.WatchRun(watch))
        print("again, from the middle:")
        await show(runs.WatchRun(WatchRunRequest(organization_id=ORGANIZATION, run_id=run.id, after_seq=last // 2)))
        cancelled = await runs.CancelRun(CancelRunRequest(organization_id=ORGANIZATION, run_id=run.id))
        print("cancelling what has ended leaves its status:", RunStatus.Name(cancelled.run.status))

        listed = await agents.ListMessages(ListMessagesRequest(organization_id=ORGANIZATION, conversation_id=agent.id))
        print("the history has", len(listed.messages), "messages")

        async for response in router.Complete(
            CompleteRequest(organization_id=ORGANIZATION, model=MODEL, messages=say("Only the model, please."))
        ):
            print("".join(event.text for event in response.events), end="")
        print()
        embedding = EmbedRequest(organization_id=ORGANIZATION, model="perdure/hash", texts=["a text"])
        print("a vector of", len((await router.Embed(embedding)).vectors[0].values), "numbers")
        await agents.DeleteAgent(DeleteAgentRequest(organization_id=ORGANIZATION, agent_id=agent.id))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:8283"))
