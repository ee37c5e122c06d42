"""The settings of this service."""

from dataclasses import dataclass

from services.common.config import Addresses, Environment
from services.common.secrets import SecretBox


@dataclass(frozen=True)
class Config:
    """From the environment: where things are, and the keys of secrets."""

    addresses: Addresses
    database_url: str
    secrets: SecretBox

    @classmethod
    def read(cls, environment: Environment) -> "Config":
        """Raises `BadConfiguration` for a value that is missing or wrong."""
        return cls(
            addresses=Addresses.read(environment),
            database_url=environment.text("DATABASE_URL"),
            secrets=SecretBox.read(environment),
        )
