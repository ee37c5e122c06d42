"""Sandboxes and their variables in Postgres, the values of variables encrypted."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Table, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from services.common.database import Transaction
from services.common.ids import new_id
from services.common.secrets import SecretBox
from services.contract.sandbox_configs import (
    CreateSandboxVariable,
    LocalSandbox,
    SandboxConfig,
    SandboxVariable,
    UpdateSandboxVariable,
)
from services.tools.owner import Owner
from services.tools.sandbox_configs.configs import SandboxConfigNotFound, VariableNameTaken
from services.tools.tables import sandbox_configs, sandbox_variables

_SETUP = (
    select(sandbox_configs.c.config, sandbox_variables.c.key, sandbox_variables.c.value_enc)
    .join_from(sandbox_configs, sandbox_variables, isouter=True)
    .where(sandbox_configs.c.type == "local")
)


class PostgresSandboxConfigs:
    """Sandboxes of organisations, in the transaction that is given. One statement each, one more for a cursor."""

    def __init__(self, secrets: SecretBox) -> None:
        self._secrets = secrets

    async def save(self, transaction: Transaction, owner: Owner, settings: LocalSandbox) -> SandboxConfig:
        """The organisation's sandbox with these settings."""
        new = insert(sandbox_configs).values(_new_config(owner, settings))
        statement = new.on_conflict_do_update(
            constraint="sandbox_configs_type", set_=_changed(owner) | {"config": new.excluded.config}
        )
        row = (await transaction.execute(statement.returning(sandbox_configs))).one()
        return SandboxConfig.model_validate(row._asdict())

    async def ensure(self, transaction: Transaction, owner: Owner) -> None:
        """Makes the sandbox with default settings, unless the organisation has one."""
        new = insert(sandbox_configs).values(_new_config(owner, LocalSandbox()))
        await transaction.execute(new.on_conflict_do_nothing())

    async def list(
        self, transaction: Transaction, organization_id: str, *, kind: str, after: str, limit: int
    ) -> list[SandboxConfig]:
        """A page of sandboxes, the oldest first. Raises `SandboxConfigNotFound` for a cursor."""
        query = select(sandbox_configs).where(_of(sandbox_configs, organization_id))
        if kind:
            query = query.where(sandbox_configs.c.type == kind)
        rows = await _page(transaction, query, sandbox_configs, organization_id, after=after, limit=limit)
        return [SandboxConfig.model_validate(row._asdict()) for row in rows]

    async def update(
        self, transaction: Transaction, owner: Owner, config_id: str, settings: LocalSandbox
    ) -> SandboxConfig:
        """The sandbox with new settings. Raises `SandboxConfigNotFound`."""
        statement = update(sandbox_configs).where(_is(sandbox_configs, owner.organization_id, config_id))
        values = _changed(owner) | {"config": settings.model_dump()}
        row = (await transaction.execute(statement.values(values).returning(sandbox_configs))).first()
        return SandboxConfig.model_validate(_found(row, config_id)._asdict())

    async def get(self, transaction: Transaction, organization_id: str, config_id: str) -> SandboxConfig:
        """One sandbox. Raises `SandboxConfigNotFound`."""
        query = select(sandbox_configs).where(_is(sandbox_configs, organization_id, config_id))
        row = (await transaction.execute(query)).first()
        return SandboxConfig.model_validate(_found(row, config_id)._asdict())

    async def delete(self, transaction: Transaction, organization_id: str, config_id: str) -> None:
        """Deletes a sandbox with its variables. Raises `SandboxConfigNotFound`."""
        await _delete(transaction, sandbox_configs, organization_id, config_id)

    async def find_setup(
        self, transaction: Transaction, organization_id: str
    ) -> tuple[LocalSandbox, Mapping[str, str]] | None:
        """The settings of the organisation's sandbox and its variables in plain text."""
        rows = (await transaction.execute(_SETUP.where(_of(sandbox_configs, organization_id)))).all()
        if not rows:
            return None
        variables = {row.key: self._secrets.decrypt(row.value_enc) for row in rows if row.key is not None}
        return LocalSandbox.model_validate(rows[0].config), variables

    async def set_variable(
        self, transaction: Transaction, owner: Owner, config_id: str, body: CreateSandboxVariable
    ) -> SandboxVariable:
        """The variable with this value."""
        values = {"value_enc": self._secrets.encrypt(body.value), "description": body.description}
        new = insert(sandbox_variables).values(
            **_new(owner, "sandbox-env"), sandbox_config_id=config_id, key=body.key, **values
        )
        statement = new.on_conflict_do_update(constraint="sandbox_variables_key", set_=_changed(owner) | values)
        return self._variable((await transaction.execute(statement.returning(sandbox_variables))).one())

    async def list_variables(
        self, transaction: Transaction, organization_id: str, config_id: str, *, after: str, limit: int
    ) -> Sequence[SandboxVariable]:
        """A page of variables, the oldest first. Raises `SandboxConfigNotFound` for a cursor."""
        owned = _of(sandbox_variables, organization_id) & (sandbox_variables.c.sandbox_config_id == config_id)
        query = select(sandbox_variables).where(owned)
        rows = await _page(transaction, query, sandbox_variables, organization_id, after=after, limit=limit)
        return [self._variable(row) for row in rows]

    async def change_variable(
        self, transaction: Transaction, owner: Owner, variable_id: str, body: UpdateSandboxVariable
    ) -> SandboxVariable:
        """The changed variable. Raises `SandboxConfigNotFound`, `VariableNameTaken`."""
        values = _changed(owner) | body.model_dump(exclude_unset=True, exclude_none=True, exclude={"value"})
        if body.value is not None:
            values["value_enc"] = self._secrets.encrypt(body.value)
        statement = update(sandbox_variables).where(_is(sandbox_variables, owner.organization_id, variable_id))
        try:
            row = (await transaction.execute(statement.values(values).returning(sandbox_variables))).first()
        except IntegrityError as exc:
            raise VariableNameTaken(f"The sandbox has another variable with the name {body.key!r}.") from exc
        return self._variable(_found(row, variable_id))

    async def delete_variable(self, transaction: Transaction, organization_id: str, variable_id: str) -> None:
        """Deletes a variable. Raises `SandboxConfigNotFound`."""
        await _delete(transaction, sandbox_variables, organization_id, variable_id)

    def _variable(self, row: Row[Any]) -> SandboxVariable:
        value = self._secrets.decrypt(row.value_enc)  # the public API shows the plain value in both fields
        return SandboxVariable.model_validate({**row._asdict(), "value": value, "value_enc": value})


def _new(owner: Owner, prefix: str) -> dict[str, Any]:  # Any, here and below: values of columns
    author = {"created_by_id": owner.user_id, "last_updated_by_id": owner.user_id}
    return {"id": new_id(prefix), "organization_id": owner.organization_id, **author}


def _new_config(owner: Owner, settings: LocalSandbox) -> dict[str, Any]:
    return {**_new(owner, "sandbox"), "type": "local", "config": settings.model_dump()}


def _changed(owner: Owner) -> dict[str, Any]:
    return {"last_updated_by_id": owner.user_id, "updated_at": func.now()}


def _of(table: Table, organization_id: str) -> ColumnElement[bool]:
    return table.c.organization_id == organization_id


def _is(table: Table, organization_id: str, row_id: str) -> ColumnElement[bool]:
    return _of(table, organization_id) & (table.c.id == row_id)


def _found(row: Row[Any] | None, row_id: str) -> Row[Any]:
    if row is None:
        kind = "environment variable" if row_id.startswith("sandbox-env") else "sandbox config"
        raise SandboxConfigNotFound(f"The {kind} {row_id} does not exist.")
    return row


async def _delete(transaction: Transaction, table: Table, organization_id: str, row_id: str) -> None:
    statement = delete(table).where(_is(table, organization_id, row_id)).returning(table.c.id)
    _found((await transaction.execute(statement)).first(), row_id)


async def _page(
    transaction: Transaction, query: Select[Any], table: Table, organization_id: str, *, after: str, limit: int
) -> list[Row[Any]]:
    if after:
        edge = await transaction.execute(select(table.c.position).where(_is(table, organization_id, after)))
        query = query.where(table.c.position > _found(edge.first(), after).position)
    return list(await transaction.execute(query.order_by(table.c.position).limit(limit)))
