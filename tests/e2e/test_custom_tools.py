"""Python tools of the user, called by an agent."""

import json
from textwrap import dedent
from typing import Any

import pytest
from letta_client import AsyncLetta, BadRequestError
from letta_client.types import AgentState

from tests.e2e.conftest import TOOL_TIMEOUT_S, MakeAgent
from tests.e2e.vendors import Vendors
from tests.e2e.ways import send
from tests.tools.sources import tool_source

ORDER = dedent('''
    from enum import Enum
    from typing import Literal, Optional

    from pydantic import BaseModel, Field


    class Size(Enum):
        SMALL = "small"
        LARGE = "large"


    class Topping(BaseModel):
        """Something on top."""

        name: str = Field(description="What it is.")
        grams: float = Field(description="How much of it.")


    def order(
        size: Size,
        toppings: list[Topping],
        crust: Literal["thin", "thick"],
        prices: dict[str, float],
        note: Optional[str] = None,
    ) -> str:
        """Orders a pizza.

        Args:
            size: How large it is.
            toppings: What is on it.
            crust: What is under it.
            prices: What things cost.
            note: For the cook.

        Returns:
            The order in words.
        """
        return f"{size.value} {crust} {toppings[0].name} {prices['all']} {note}"
''')


async def call(
    client: AsyncLetta,
    make_agent: MakeAgent,
    source: str,
    arguments: dict[str, Any] | None = None,
    **options: Any,  # Any: the SDK's options
) -> Any:
    """The return of a tool that an agent calls."""
    tool = await client.tools.upsert(source_code=source, **options)
    agent = await make_agent(tool_ids=[tool.id])
    answer = await send(client, agent.id, f"call tool {tool.name} with {json.dumps(arguments or {})}")
    assert answer.stop_reason == "end_turn"
    return answer.only("tool_return_message")


async def test_types_become_a_schema(client: AsyncLetta) -> None:
    tool = await client.tools.upsert(source_code=ORDER)

    assert tool.json_schema is not None
    parameters: Any = tool.json_schema["parameters"]
    assert tool.json_schema["description"] == "Orders a pizza."
    assert parameters["required"] == ["size", "toppings", "crust", "prices"]
    properties = parameters["properties"]
    assert properties["crust"]["enum"] == ["thin", "thick"]
    assert properties["size"]["enum"] == ["small", "large"]
    assert properties["toppings"]["items"]["properties"]["grams"]["type"] == "number"
    assert properties["prices"]["type"] == "object"
    assert properties["note"]["description"] == "For the cook."


async def test_arguments_arrive_as_what_the_signature_says(client: AsyncLetta, make_agent: MakeAgent) -> None:
    arguments = {
        "size": "large",
        "toppings": [{"name": "olives", "grams": 30}],
        "crust": "thin",
        "prices": {"all": 9.5},
    }

    result = await call(client, make_agent, ORDER, arguments)

    assert (result.status, result.tool_return) == ("success", "large thin olives 9.5 None")


async def test_what_a_tool_prints_comes_with_its_return(client: AsyncLetta, make_agent: MakeAgent) -> None:
    body = "import sys\nprint('hello')\nprint('oh', file=sys.stderr)\nreturn [1, 2]"

    result = await call(client, make_agent, tool_source(body))

    assert (result.status, result.tool_return) == ("success", "[1, 2]")
    assert "".join(result.stdout).strip() == "hello"
    assert "".join(result.stderr).strip() == "oh"


async def test_a_tool_that_raises_returns_an_error(client: AsyncLetta, make_agent: MakeAgent) -> None:
    result = await call(client, make_agent, tool_source("return 1 / 0", name="divide"))

    assert result.status == "error"
    assert result.tool_return == "Error executing function divide: ZeroDivisionError: division by zero"
    assert "ZeroDivisionError" in "".join(result.stderr)


async def test_a_tool_that_takes_too_long_returns_an_error(client: AsyncLetta, make_agent: MakeAgent) -> None:
    result = await call(client, make_agent, tool_source("import time\ntime.sleep(60)", name="sleep"))

    assert result.status == "error"
    assert f"took longer than {TOOL_TIMEOUT_S:g} s" in result.tool_return


async def test_a_tool_whose_process_dies_returns_an_error(client: AsyncLetta, make_agent: MakeAgent) -> None:
    result = await call(client, make_agent, tool_source("import os\nos.kill(os.getpid(), 9)"))

    assert result.status == "error"


async def test_a_long_return_is_cut(client: AsyncLetta, make_agent: MakeAgent) -> None:
    result = await call(client, make_agent, tool_source("return 'x' * 1000"), return_char_limit=100)

    assert "function output was truncated" in result.tool_return
    assert "x" * 101 not in result.tool_return


@pytest.mark.parametrize("text", ["'); raise SystemExit  # ", '"""', "\\", "{x}", "ünïcödé 😀"])
async def test_arguments_are_never_code(client: AsyncLetta, make_agent: MakeAgent, text: str) -> None:
    source = tool_source("return text", parameters="text: str", documented="text: Any text.")

    result = await call(client, make_agent, source, {"text": text})

    assert result.tool_return == text


async def test_a_tool_does_not_see_the_secrets_of_the_server(client: AsyncLetta, make_agent: MakeAgent) -> None:
    body = "import os\nreturn sorted(name for name in os.environ if 'KEY' in name or 'URL' in name)"

    result = await call(client, make_agent, tool_source(body))

    assert result.tool_return == "[]"


async def test_a_call_of_a_tool_that_the_agent_lacks_names_the_valid_ones(
    client: AsyncLetta, make_agent: MakeAgent
) -> None:
    tool = await client.tools.upsert(source_code=tool_source(name="known"))
    agent = await make_agent(tool_ids=[tool.id])

    answer = await send(client, agent.id, "call tool unknown with {}")

    assert answer.only("tool_return_message").status == "error"
    assert "known" in answer.only("tool_return_message").tool_return
    assert answer.stop_reason == "end_turn"


async def test_missing_arguments_are_told_to_the_model(client: AsyncLetta, make_agent: MakeAgent) -> None:
    source = tool_source("return text", parameters="text: str", documented="text: Any text.")

    result = await call(client, make_agent, source, {})

    assert result.status == "error"
    assert "text" in result.tool_return


async def test_the_next_turn_sees_a_changed_tool(
    client: AsyncLetta, make_agent: MakeAgent, vendors: Vendors, word: str
) -> None:
    tool = await client.tools.upsert(source_code=tool_source("return 'old'"))
    agent = await make_agent(tool_ids=[tool.id])
    changed = tool_source("return 'new ' + text", parameters="text: str", documented="text: Something new.")

    await client.tools.update(tool.id, source_code=changed)
    answer = await send(client, agent.id, f'call tool probe with {{"text": "{word}"}}')

    assert answer.only("tool_return_message").tool_return == f"new {word}"
    assert "Something new." in str((await vendors.received(word))[0]["body"]["tools"])


async def test_a_deleted_tool_is_gone_from_its_agents(
    client: AsyncLetta, make_agent: MakeAgent, vendors: Vendors, word: str
) -> None:
    tool = await client.tools.upsert(source_code=tool_source(name="doomed"))
    agent = await make_agent(tool_ids=[tool.id])

    await client.tools.delete(tool.id)
    await send(client, agent.id, f"Hello {word}")

    assert not (await vendors.last(word))["body"].get("tools")
    assert (await client.agents.tools.list(agent.id)).items == []


async def test_a_syntax_error_says_where(client: AsyncLetta) -> None:
    with pytest.raises(BadRequestError, match="line 1"):
        await client.tools.upsert(source_code="def broken(:\n    pass")


async def test_memory_tools_change_the_memory(client: AsyncLetta, agent: AgentState) -> None:
    block = await client.blocks.create(label="human", value="Likes chess.")
    await client.agents.blocks.attach(block.id, agent_id=agent.id)
    tool = (await client.tools.list(name="memory_replace")).items[0]
    await client.agents.tools.attach(tool.id, agent_id=agent.id)

    arguments = json.dumps({"label": "human", "old_string": "chess", "new_string": "go"})
    answer = await send(client, agent.id, f"call tool memory_replace with {arguments}")

    assert answer.only("tool_return_message").status == "success"
    assert (await client.blocks.retrieve(block.id)).value == "Likes go."
