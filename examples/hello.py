"""An agent through the unmodified letta_client SDK. Works on a fresh install, with no provider key.

.venv/bin/python examples/hello.py [http://127.0.0.1:8283] [MODEL]
"""

import inspect
import sys

from letta_client import Letta

address = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8283"
model = sys.argv[2] if len(sys.argv) > 2 else "perdure/echo"


def roll_dice(num_sides: int) -> int:
    """Rolls a die.

    Args:
        num_sides: How many sides it has.
    """
    import random  # a tool is sent as its source alone

    return random.randint(1, num_sides)


def main() -> None:
    """Creates an agent with memory and a tool, and talks to it, in one piece and streamed."""
    client = Letta(base_url=address)
    tool = client.tools.upsert(source_code=inspect.getsource(roll_dice))
    agent = client.agents.create(
        name="hello",
        model=model,
        memory_blocks=[{"label": "human", "value": "Likes board games."}],
        tool_ids=[tool.id],
    )

    answer = client.agents.messages.create(agent.id, messages=[{"role": "user", "content": "Hello!"}])
    print(*(message.content for message in answer.messages if message.message_type == "assistant_message"))

    request = 'call tool roll_dice with {"num_sides": 6}'
    for event in client.agents.messages.create(agent.id, input=request, streaming=True, stream_tokens=True):
        if event.message_type == "assistant_message":
            print(event.content, end="", flush=True)
        elif event.message_type == "tool_return_message":
            print(f"[the tool returned {event.tool_return}]")
    print()
    client.agents.delete(agent.id)


if __name__ == "__main__":
    main()
