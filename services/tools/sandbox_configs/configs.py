"""What an organisation sets up for its tools: the sandbox, packages for all, and variables in the environment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.common.caller import DEFAULT_USER_ID
from services.common.database import Database, Transaction
from services.common.errors import AlreadyExists, InvalidArgument, NotFound
from services.contract.sandbox_configs import (
    CreateSandboxVariable,
    LocalSandbox,
    SandboxConfig,
    SandboxSettings,
    SandboxVariable,
    UpdateSandboxVariable,
)
from services.contract.tools import Requirement
from services.tools.definition import check_packages
from services.tools.owner import Owner


class SandboxConfigNotFound(NotFound):
    """There is no such sandbox, or no such variable of one."""

    reason = "SANDBOX_CONFIG_NOT_FOUND"


class VariableNameTaken(AlreadyExists):
    """Another variable of the sandbox has the name."""

    reason = "SANDBOX_VARIABLE_NAME_TAKEN"


class NotOffered(InvalidArgument):
    """Tools run in the sandbox of this server only."""

    reason = "SANDBOX_NOT_OFFERED"

    def __init__(self, kind: str) -> None:
        super().__init__(f"This server runs tools in its own sandbox; sandboxes of {kind} are not offered. Use local.")


@dataclass(frozen=True)
class Setup:
    """What every call of an organisation's tools gets."""

    environment: Mapping[str, str]
    pip_requirements: Sequence[Requirement] = ()


class Store(Protocol):
    """Sandboxes and variables of organisations."""

    async def save(self, transaction: Transaction, owner: Owner, settings: LocalSandbox) -> SandboxConfig:
        """The organisation's sandbox with these settings."""

    async def ensure(self, transaction: Transaction, owner: Owner) -> None:
        """Makes the sandbox with default settings, unless the organisation has one."""

    async def list(
        self, transaction: Transaction, organization_id: str, *, kind: str, after: str, limit: int
    ) -> list[SandboxConfig]:
        """A page of sandboxes, the oldest first. Raises `SandboxConfigNotFound` for a cursor."""

    async def update(
        self, transaction: Transaction, owner: Owner, config_id: str, settings: LocalSandbox
    ) -> SandboxConfig:
        """The sandbox with new settings. Raises `SandboxConfigNotFound`."""

    async def get(self, transaction: Transaction, organization_id: str, config_id: str) -> SandboxConfig:
        """One sandbox. Raises `SandboxConfigNotFound`."""

    async def delete(self, transaction: Transaction, organization_id: str, config_id: str) -> None:
        """Deletes a sandbox with its variables. Raises `SandboxConfigNotFound`."""

    async def find_setup(
        self, transaction: Transaction, organization_id: str
    ) -> tuple[LocalSandbox, Mapping[str, str]] | None:
        """The settings of the organisation's sandbox and its variables in plain text."""

    async def set_variable(
        self, transaction: Transaction, owner: Owner, config_id: str, body: CreateSandboxVariable
    ) -> SandboxVariable:
        """The variable with this value."""

    async def list_variables(
        self, transaction: Transaction, organization_id: str, config_id: str, *, after: str, limit: int
    ) -> Sequence[SandboxVariable]:
        """A page of variables, the oldest first. Raises `SandboxConfigNotFound` for a cursor."""

    async def change_variable(
        self, transaction: Transaction, owner: Owner, variable_id: str, body: UpdateSandboxVariable
    ) -> SandboxVariable:
        """The changed variable. Raises `SandboxConfigNotFound`, `VariableNameTaken`."""

    async def delete_variable(self, transaction: Transaction, organization_id: str, variable_id: str) -> None:
        """Deletes a variable. Raises `SandboxConfigNotFound`."""


class SandboxConfigs:
    """Sandboxes of organisations. Each has one, which its first call makes unless it is there."""

    def __init__(self, database: Database, store: Store) -> None:
        self._database = database
        self._store = store

    async def setup(self, organization_id: str) -> Setup:
        """What calls get: one statement, one more for an organisation's first call."""
        async with self._database.begin() as transaction:
            found = await self._store.find_setup(transaction, organization_id)
            if found is None:
                await self._store.ensure(transaction, Owner(organization_id, DEFAULT_USER_ID))
        settings, environment = found or (LocalSandbox(), {})
        return Setup(environment, settings.pip_requirements)

    async def save(self, owner: Owner, settings: SandboxSettings) -> SandboxConfig:
        """Makes the organisation's sandbox, or replaces its settings. Raises `NotOffered`, `UnusableTool`."""
        async with self._database.begin() as transaction:
            return await self._store.save(transaction, owner, _local(settings))

    async def default(self, owner: Owner) -> SandboxConfig:
        """The organisation's sandbox; made with default settings if there is none."""
        async with self._database.begin() as transaction:
            await self._store.ensure(transaction, owner)
            (found,) = await self._store.list(transaction, owner.organization_id, kind="local", after="", limit=1)
            return found

    async def list_configs(self, organization_id: str, *, kind: str, after: str, limit: int) -> list[SandboxConfig]:
        """A page of sandboxes, the oldest first. Raises `SandboxConfigNotFound` for a cursor."""
        async with self._database.begin() as transaction:
            return await self._store.list(transaction, organization_id, kind=kind, after=after, limit=limit)

    async def update(self, owner: Owner, config_id: str, settings: SandboxSettings | None) -> SandboxConfig:
        """Gives a sandbox new settings. Raises `NotOffered`, `UnusableTool`, `SandboxConfigNotFound`."""
        async with self._database.begin() as transaction:
            if settings is None:
                return await self._store.get(transaction, owner.organization_id, config_id)
            return await self._store.update(transaction, owner, config_id, _local(settings))

    async def delete(self, organization_id: str, config_id: str) -> None:
        """Deletes a sandbox with its variables; the next call makes one anew. Raises `SandboxConfigNotFound`."""
        async with self._database.begin() as transaction:
            await self._store.delete(transaction, organization_id, config_id)

    async def set_variable(self, owner: Owner, config_id: str, body: CreateSandboxVariable) -> SandboxVariable:
        """Adds a variable, or replaces the one of the same name. Raises `SandboxConfigNotFound`."""
        async with self._database.begin() as transaction:
            await self._store.get(transaction, owner.organization_id, config_id)
            return await self._store.set_variable(transaction, owner, config_id, body)

    async def list_variables(
        self, organization_id: str, config_id: str, *, after: str, limit: int
    ) -> Sequence[SandboxVariable]:
        """A page of variables, the oldest first. Raises `SandboxConfigNotFound`."""
        async with self._database.begin() as transaction:
            await self._store.get(transaction, organization_id, config_id)
            return await self._store.list_variables(transaction, organization_id, config_id, after=after, limit=limit)

    async def change_variable(self, owner: Owner, variable_id: str, body: UpdateSandboxVariable) -> SandboxVariable:
        """Changes the fields that were sent. Raises `SandboxConfigNotFound`, `VariableNameTaken`."""
        async with self._database.begin() as transaction:
            return await self._store.change_variable(transaction, owner, variable_id, body)

    async def delete_variable(self, organization_id: str, variable_id: str) -> None:
        """Deletes a variable. Raises `SandboxConfigNotFound`."""
        async with self._database.begin() as transaction:
            await self._store.delete_variable(transaction, organization_id, variable_id)


def _local(settings: SandboxSettings) -> LocalSandbox:
    if not isinstance(settings, LocalSandbox):
        raise NotOffered(type(settings).__name__.removesuffix("Sandbox"))
    check_packages(settings.pip_requirements, None)
    return settings
