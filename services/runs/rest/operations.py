"""All REST operations of runs, on one object."""

from services.runs.rest.listing import ListOperations, Messages
from services.runs.rest.sending import SendOperations
from services.runs.runs import Runs


class RunRest(SendOperations, ListOperations):
    """The operations that `rest.proto` lists."""

    def __init__(self, runs: Runs, messages: Messages) -> None:
        SendOperations.__init__(self, runs)
        ListOperations.__init__(self, runs, messages)
