"""The functions behind the REST operations of sandbox configs."""

from collections.abc import Sequence

from perdure.tools.v1 import sandbox_rest_pb2 as rest
from services.common.caller import Caller
from services.contract.sandbox_configs import (
    CreateSandboxConfig,
    CreateSandboxVariable,
    LocalSandbox,
    SandboxConfig,
    SandboxVariable,
    UpdateSandboxConfig,
    UpdateSandboxVariable,
)
from services.tools.owner import Owner
from services.tools.sandbox_configs.configs import NotOffered, SandboxConfigs


class SandboxConfigRest:
    """One method per operation on /v1/sandbox-config."""

    def __init__(self, configs: SandboxConfigs) -> None:
        self._configs = configs

    async def create_sandbox_config(
        self, caller: Caller, query: rest.CreateSandboxConfigQuery, body: CreateSandboxConfig
    ) -> SandboxConfig:
        """Makes the sandbox, or replaces its settings."""
        return await self._configs.save(Owner.of(caller), body.config)

    async def create_local_sandbox_config(
        self, caller: Caller, query: rest.CreateLocalSandboxConfigQuery, body: LocalSandbox
    ) -> SandboxConfig:
        """The same, by the settings alone."""
        return await self._configs.save(Owner.of(caller), body)

    async def create_default_local_sandbox_config(
        self, caller: Caller, query: rest.CreateDefaultLocalSandboxConfigQuery, body: None
    ) -> SandboxConfig:
        """The sandbox as it is, else with default settings."""
        return await self._configs.default(Owner.of(caller))

    async def create_default_e2b_sandbox_config(
        self, caller: Caller, query: rest.CreateDefaultE2bSandboxConfigQuery, body: None
    ) -> SandboxConfig:
        """Raises `NotOffered`."""
        raise NotOffered("E2B")

    async def recreate_sandbox_venv(
        self, caller: Caller, query: rest.RecreateSandboxVenvQuery, body: None
    ) -> SandboxConfig:
        """The sandbox as it is: packages are installed by set, and a set that changed is another one."""
        return await self._configs.default(Owner.of(caller))

    async def list_sandbox_configs(
        self, caller: Caller, query: rest.ListSandboxConfigsQuery, body: None
    ) -> list[SandboxConfig]:
        """A page of sandboxes."""
        return await self._configs.list_configs(
            caller.organization_id, kind=query.sandbox_type, after=query.after, limit=query.limit
        )

    async def update_sandbox_config(
        self, caller: Caller, query: rest.UpdateSandboxConfigQuery, body: UpdateSandboxConfig
    ) -> SandboxConfig:
        """Gives a sandbox new settings."""
        return await self._configs.update(Owner.of(caller), query.sandbox_config_id, body.config)

    async def delete_sandbox_config(self, caller: Caller, query: rest.DeleteSandboxConfigQuery, body: None) -> None:
        """Deletes a sandbox with its variables."""
        await self._configs.delete(caller.organization_id, query.sandbox_config_id)

    async def create_sandbox_variable(
        self, caller: Caller, query: rest.CreateSandboxVariableQuery, body: CreateSandboxVariable
    ) -> SandboxVariable:
        """Adds a variable, or replaces the one of the same name."""
        return await self._configs.set_variable(Owner.of(caller), query.sandbox_config_id, body)

    async def list_sandbox_variables(
        self, caller: Caller, query: rest.ListSandboxVariablesQuery, body: None
    ) -> Sequence[SandboxVariable]:
        """A page of variables."""
        return await self._configs.list_variables(
            caller.organization_id, query.sandbox_config_id, after=query.after, limit=query.limit
        )

    async def update_sandbox_variable(
        self, caller: Caller, query: rest.UpdateSandboxVariableQuery, body: UpdateSandboxVariable
    ) -> SandboxVariable:
        """Changes the fields that were sent."""
        return await self._configs.change_variable(Owner.of(caller), query.env_var_id, body)

    async def delete_sandbox_variable(self, caller: Caller, query: rest.DeleteSandboxVariableQuery, body: None) -> None:
        """Deletes a variable."""
        await self._configs.delete_variable(caller.organization_id, query.env_var_id)
