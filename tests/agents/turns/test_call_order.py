"""Returns are stored in the order of their calls, one for each."""

import pytest

from perdure.conversation.v1.message_pb2 import ToolCall, ToolReturn
from services.agents.turns.call_order import in_call_order
from services.agents.turns.errors import UnpairedReturns


def test_returns_are_put_in_the_order_of_the_calls() -> None:
    calls = [ToolCall(id="a"), ToolCall(id="b")]

    ordered = in_call_order(calls, [ToolReturn(call_id="b"), ToolReturn(call_id="a")])

    assert [one.call_id for one in ordered] == ["a", "b"]


@pytest.mark.parametrize("given", [[], ["a"], ["a", "b", "c"], ["a", "a"], ["a", "b", "b"]])
def test_returns_that_do_not_match_the_calls_are_refused(given: list[str]) -> None:
    calls = [ToolCall(id="a"), ToolCall(id="b")]

    with pytest.raises(UnpairedReturns):
        in_call_order(calls, [ToolReturn(call_id=call_id) for call_id in given])
