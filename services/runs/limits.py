"""How much is taken on at most."""

from dataclasses import dataclass

from services.common.errors import Unavailable
from services.contract.on_busy import OnBusy

RETRY_AFTER_S = 2.0  # seconds; by then some turns have ended


@dataclass(frozen=True)
class Limits:
    """What one process, or all together, take on.

    `slots`: turns that this process carries out at once. `waiting_runs`: runs that wait for a slot of any process.
    `longest_line`: runs that wait for one conversation. `open_streams`: answers of this process that clients wait for.
    `longest_log`: batches of events (without Redis: events) of one run that are kept for those who come later;
    `log_hours`: for how long.
    `on_busy`: what becomes of a message to a busy conversation, where neither says.
    """

    slots: int = 1000
    waiting_runs: int = 1000
    longest_line: int = 256
    open_streams: int = 5000
    longest_log: int = 50_000
    log_hours: float = 24.0
    on_busy: OnBusy = "reject"


class Overloaded(Unavailable):
    """Every slot is taken, and enough runs wait for one."""

    reason = "OVERLOADED"

    def __init__(self) -> None:
        super().__init__("The server is busy with other runs. Try again in a moment.", retry_after_s=RETRY_AFTER_S)
