"""What the runs service reads from its environment."""

from dataclasses import dataclass
from typing import cast, get_args

from services.common.config import Addresses, BadConfiguration, Environment
from services.contract.on_busy import OnBusy
from services.runs.limits import Limits


@dataclass(frozen=True)
class Config:
    """Where everything is, and how much this process takes on.

    `advertised_address` is where the other replicas of this service reach this one. `redis_url` empty: no Redis; then
    events are kept in memory, which is right for one replica. `drain_s` is how long turns may go on after SIGTERM, and
    `stream_drain_s` how long after that clients hear what other replicas make of them, in seconds.
    `allow_private_callbacks`: the ends of runs may be told to addresses that only this network reaches.
    `agent_reply_timeout_s`: how long an agent waits for another's answer, in seconds. `trace_days`: how long traces can
    be read. `sends_spans`: they go to an OpenTelemetry collector, too.
    """

    addresses: Addresses
    advertised_address: str
    database_url: str
    redis_url: str
    limits: Limits
    drain_s: float
    stream_drain_s: float
    allow_private_callbacks: bool
    agent_reply_timeout_s: float
    trace_days: float
    sends_spans: bool

    @classmethod
    def read(cls, environment: Environment) -> "Config":
        """From PERDURE_ADVERTISED_ADDRESS (PERDURE_LISTEN), DATABASE_URL, REDIS_URL, PERDURE_RUNS_SLOTS and other
        limits, PERDURE_RUNS_DRAIN_S (8), PERDURE_RUNS_STREAM_DRAIN_S (300), PERDURE_ALLOW_PRIVATE_CALLBACKS (0) and
        PERDURE_AGENT_REPLY_TIMEOUT_S (600), PERDURE_TRACE_DAYS (7) and OTEL_EXPORTER_OTLP_ENDPOINT. Raises
        `BadConfiguration`.
        """
        addresses = Addresses.read(environment)
        return cls(
            addresses=addresses,
            advertised_address=environment.text("PERDURE_ADVERTISED_ADDRESS", addresses.listen),
            database_url=environment.text("DATABASE_URL"),
            redis_url=environment.variables.get("REDIS_URL", ""),
            limits=_read_limits(environment),
            drain_s=environment.number("PERDURE_RUNS_DRAIN_S", 8),
            stream_drain_s=environment.number("PERDURE_RUNS_STREAM_DRAIN_S", 300),
            allow_private_callbacks=environment.flag("PERDURE_ALLOW_PRIVATE_CALLBACKS"),
            agent_reply_timeout_s=environment.number("PERDURE_AGENT_REPLY_TIMEOUT_S", 600, minimum=0.1),
            trace_days=environment.number("PERDURE_TRACE_DAYS", 7),
            sends_spans=bool(environment.variables.get("OTEL_EXPORTER_OTLP_ENDPOINT")),
        )


def _read_limits(environment: Environment) -> Limits:
    usual = Limits()
    on_busy = environment.text("PERDURE_ON_BUSY", usual.on_busy)
    if on_busy not in get_args(OnBusy):
        raise BadConfiguration(f"PERDURE_ON_BUSY must be one of {', '.join(get_args(OnBusy))}, not {on_busy!r}")
    return Limits(
        slots=int(environment.number("PERDURE_RUNS_SLOTS", usual.slots, minimum=1)),
        waiting_runs=int(environment.number("PERDURE_RUNS_WAITING", usual.waiting_runs)),
        longest_line=int(environment.number("PERDURE_CONVERSATION_QUEUE", usual.longest_line)),
        open_streams=int(environment.number("PERDURE_RUNS_STREAMS", usual.open_streams, minimum=1)),
        longest_log=int(environment.number("PERDURE_RUN_EVENTS", usual.longest_log, minimum=100)),
        log_hours=environment.number("PERDURE_RUN_EVENTS_HOURS", usual.log_hours, minimum=0.01),
        on_busy=cast(OnBusy, on_busy),
    )
