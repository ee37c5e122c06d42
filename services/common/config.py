"""Reading a service's environment, once, at its start."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass


class BadConfiguration(Exception):
    """A variable of the environment is missing or wrong; the message names it."""


@dataclass(frozen=True)
class Environment:
    """Typed look-ups in the environment. A bad value raises `BadConfiguration`."""

    variables: Mapping[str, str]

    @classmethod
    def current(cls) -> "Environment":
        """The environment of this process."""
        return cls(dict(os.environ))

    def text(self, name: str, default: str | None = None) -> str:
        """A text; without a default it must be set."""
        value = self.variables.get(name) or default
        if value is None:
            raise BadConfiguration(f"{name} must be set")
        return value

    def number(self, name: str, default: float, *, minimum: float = 0) -> float:
        """A number not below the minimum."""
        raw = self.variables.get(name)
        if not raw:
            return default
        try:
            value = float(raw)
        except ValueError:
            raise BadConfiguration(f"{name} must be a number, not {raw!r}") from None
        if not math.isfinite(value):
            raise BadConfiguration(f"{name} must be a finite number, not {raw!r}")
        if value < minimum:
            raise BadConfiguration(f"{name} must be at least {minimum:g}, not {raw}")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """True for 1, true, yes, on."""
        raw = self.variables.get(name, "").lower()
        if raw in ("", "0", "false", "no", "off"):
            return default if raw == "" else False
        if raw in ("1", "true", "yes", "on"):
            return True
        raise BadConfiguration(f"{name} must be 1 or 0, not {raw!r}")


@dataclass(frozen=True)
class Addresses:
    """Where this service listens and where the others are: gRPC targets."""

    listen: str
    agents: str
    runs: str
    llm_router: str
    tools: str

    @classmethod
    def read(cls, environment: Environment) -> "Addresses":
        """From PERDURE_LISTEN and PERDURE_<SERVICE>_ADDRESS."""
        return cls(
            listen=environment.text("PERDURE_LISTEN"),
            agents=environment.text("PERDURE_AGENTS_ADDRESS", "localhost:50051"),
            runs=environment.text("PERDURE_RUNS_ADDRESS", "localhost:50052"),
            llm_router=environment.text("PERDURE_LLM_ROUTER_ADDRESS", "localhost:50053"),
            tools=environment.text("PERDURE_TOOLS_ADDRESS", "localhost:50054"),
        )
