"""The settings of this service."""

import math
from dataclasses import dataclass

from services.common.config import Addresses, Environment
from services.common.secrets import SecretBox


@dataclass(frozen=True)
class Config:
    """From the environment: where things are, the keys of secrets, how long approval requests wait (0: for ever)."""

    addresses: Addresses
    database_url: str
    secrets: SecretBox
    approval_expires_s: int

    @classmethod
    def read(cls, environment: Environment) -> "Config":
        """Raises `BadConfiguration` for a value that is missing or wrong."""
        return cls(
            addresses=Addresses.read(environment),
            database_url=environment.text("DATABASE_URL"),
            secrets=SecretBox.read(environment),
            approval_expires_s=math.ceil(environment.number("PERDURE_APPROVAL_EXPIRES_S", 0)),
        )
