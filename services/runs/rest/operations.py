"""All REST operations of runs, on one object."""

from services.runs.rest.listing import ListOperations, Messages
from services.runs.rest.observing import ObserveOperations, Traces
from services.runs.rest.sending import SendOperations
from services.runs.runs import Runs


class RunRest(SendOperations, ListOperations, ObserveOperations):
    """The operations that `rest.proto` lists."""

    def __init__(self, runs: Runs, messages: Messages, traces: Traces) -> None:
        SendOperations.__init__(self, runs)
        ListOperations.__init__(self, runs, messages)
        ObserveOperations.__init__(self, runs, traces)
