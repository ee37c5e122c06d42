"""Which returns may be stored with which calls."""

from collections.abc import Sequence

from perdure.conversation.v1.message_pb2 import ToolCall, ToolReturn
from services.agents.turns.errors import UnpairedReturns


def in_call_order(calls: Sequence[ToolCall], returns: Sequence[ToolReturn]) -> list[ToolReturn]:
    """One return for each call, in the calls' order. Raises `UnpairedReturns` when they do not match."""
    by_call = {returned.call_id: returned for returned in returns}
    wanted = [call.id for call in calls]
    if len(by_call) != len(returns) or len(set(wanted)) != len(wanted) or set(wanted) != by_call.keys():
        raise UnpairedReturns(f"The calls {wanted} need one return each, not {[r.call_id for r in returns]}.")
    return [by_call[call_id] for call_id in wanted]
