"""What the runs service reads from its environment."""

from dataclasses import dataclass

from services.common.config import Addresses, Environment


@dataclass(frozen=True)
class Config:
    """Where everything is, and how much this process takes on.

    `redis_url` empty: no Redis; then events are kept in memory, which is right for one replica. `slots` are turns
    carried out at once. `drain_s` is how long turns may go on after SIGTERM, in seconds. `allow_private_callbacks`: the
    ends of runs may be told to addresses that only this network reaches. `agent_reply_timeout_s`: how long an agent
    waits for another's answer, in seconds.
    """

    addresses: Addresses
    database_url: str
    redis_url: str
    slots: int
    drain_s: float
    allow_private_callbacks: bool
    agent_reply_timeout_s: float

    @classmethod
    def read(cls, environment: Environment) -> "Config":
        """From DATABASE_URL, REDIS_URL, PERDURE_RUNS_SLOTS (1000), PERDURE_RUNS_DRAIN_S (8),
        PERDURE_ALLOW_PRIVATE_CALLBACKS (0) and PERDURE_AGENT_REPLY_TIMEOUT_S (600).
        """
        return cls(
            addresses=Addresses.read(environment),
            database_url=environment.text("DATABASE_URL"),
            redis_url=environment.variables.get("REDIS_URL", ""),
            slots=int(environment.number("PERDURE_RUNS_SLOTS", 1000, minimum=1)),
            drain_s=environment.number("PERDURE_RUNS_DRAIN_S", 8),
            allow_private_callbacks=environment.flag("PERDURE_ALLOW_PRIVATE_CALLBACKS"),
            agent_reply_timeout_s=environment.number("PERDURE_AGENT_REPLY_TIMEOUT_S", 600, minimum=0.1),
        )
