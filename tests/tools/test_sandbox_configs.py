"""What an organisation sets up for its tools, through a real channel."""

from typing import Any

import pytest
from sqlalchemy import text

from services.common.database import Database
from services.common.errors import PerdureError
from tests.tools.conftest import Api

ABSENT = "sandbox-00000000-0000-4000-8000-00000000dead"
ABSENT_VARIABLE = "sandbox-env-00000000-0000-4000-8000-00000000dead"


async def problem(api: Api, method: str, body: Any = None, **query: Any) -> tuple[int, str]:
    with pytest.raises(PerdureError) as caught:
        await api.call(method, body, **query)
    return caught.value.http_status, str(caught.value.detail)


@pytest.fixture
async def config(api: Api) -> Any:
    """The sandbox of the organisation, without variables."""
    made = await api.call("CreateDefaultLocalSandboxConfig")
    await api.call("DeleteSandboxConfig", sandbox_config_id=made["id"])
    return await api.call("CreateDefaultLocalSandboxConfig")


async def test_a_sandbox_shows_all_its_fields(api: Api, config: Any) -> None:
    assert list(config) == [
        "created_by_id", "last_updated_by_id", "created_at", "updated_at", "id", "type", "organization_id", "config",
    ]  # fmt: skip
    assert config["type"] == "local"
    assert config["config"] == {"sandbox_dir": None, "use_venv": False, "venv_name": "venv", "pip_requirements": []}
    assert await api.call("ListSandboxConfigs") == [config]
    assert await api.call("CreateDefaultLocalSandboxConfig") == config
    assert await api.call("RecreateSandboxVenv") == config


async def test_an_organisation_has_one_sandbox(api: Api, config: Any) -> None:
    settings = {"pip_requirements": [{"name": "six"}]}

    again = await api.call("CreateSandboxConfig", {"config": settings})
    changed = await api.call("CreateLocalSandboxConfig", {"venv_name": "mine"})

    assert {again["id"], changed["id"]} == {config["id"]}
    assert again["config"]["pip_requirements"] == [{"name": "six", "version": None}]
    assert (changed["config"]["venv_name"], changed["config"]["pip_requirements"]) == ("mine", [])


async def test_new_settings_replace_the_old_ones(api: Api, config: Any) -> None:
    changed = await api.call("UpdateSandboxConfig", {"config": {"use_venv": True}}, sandbox_config_id=config["id"])
    same = await api.call("UpdateSandboxConfig", {}, sandbox_config_id=config["id"])

    assert changed["config"] == {**config["config"], "use_venv": True}
    assert same == changed


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("CreateDefaultE2bSandboxConfig", None),
        ("CreateSandboxConfig", {"config": {"timeout": 60, "template": "t"}}),
        ("CreateSandboxConfig", {"config": {"timeout": 60, "language": "python"}}),
    ],
)
async def test_other_sandboxes_are_not_offered(api: Api, method: str, body: Any) -> None:
    status, said = await problem(api, method, body)

    assert status == 400
    assert "are not offered. Use local." in said


async def test_packages_for_all_tools_are_checked(api: Api) -> None:
    status, said = await problem(api, "CreateLocalSandboxConfig", {"pip_requirements": [{"name": "../mine"}]})

    assert (status, "../mine" in said) == (400, True)


async def test_pages(api: Api, config: Any) -> None:
    assert await api.call("ListSandboxConfigs", sandbox_type="e2b") == []
    assert await api.call("ListSandboxConfigs", sandbox_type="local") == [config]
    assert await api.call("ListSandboxConfigs", after=config["id"]) == []
    assert (await problem(api, "ListSandboxConfigs", after=ABSENT))[0] == 404
    assert (await problem(api, "ListSandboxConfigs", sandbox_type="docker"))[0] == 422


async def test_what_does_not_exist_is_not_found(api: Api) -> None:
    found = [
        await problem(api, "UpdateSandboxConfig", {"config": {}}, sandbox_config_id=ABSENT),
        await problem(api, "DeleteSandboxConfig", sandbox_config_id=ABSENT),
        await problem(api, "ListSandboxVariables", sandbox_config_id=ABSENT),
        await problem(api, "CreateSandboxVariable", {"key": "A", "value": "b"}, sandbox_config_id=ABSENT),
        await problem(api, "UpdateSandboxVariable", {"value": "b"}, env_var_id=ABSENT_VARIABLE),
        await problem(api, "DeleteSandboxVariable", env_var_id=ABSENT_VARIABLE),
    ]

    assert [status for status, _ in found] == [404] * len(found)
    assert (await problem(api, "DeleteSandboxConfig", sandbox_config_id="mine"))[0] == 422


async def test_variables(api: Api, config: Any) -> None:
    where = {"sandbox_config_id": config["id"]}
    first = await api.call("CreateSandboxVariable", {"key": "TOKEN", "value": "one", "description": "d"}, **where)
    second = await api.call("CreateSandboxVariable", {"key": "PLACE", "value": "here"}, **where)

    renamed = await api.call("UpdateSandboxVariable", {"key": "WHERE"}, env_var_id=second["id"])
    replaced = await api.call("CreateSandboxVariable", {"key": "TOKEN", "value": "two"}, **where)

    assert list(first) == [
        "created_by_id", "last_updated_by_id", "created_at", "updated_at", "id", "key", "value", "description",
        "organization_id", "value_enc", "sandbox_config_id",
    ]  # fmt: skip
    assert (first["value"], first["description"]) == ("one", "d")
    assert (renamed["key"], renamed["value"]) == ("WHERE", "here")
    assert (replaced["id"], replaced["value"]) == (first["id"], "two")
    assert await api.call("ListSandboxVariables", **where) == [replaced, renamed]
    assert await api.call("ListSandboxVariables", **where, after=replaced["id"], limit=1) == [renamed]
    assert (await problem(api, "UpdateSandboxVariable", {"key": "TOKEN"}, env_var_id=second["id"]))[0] == 409
    await api.call("DeleteSandboxVariable", env_var_id=second["id"])
    assert await api.call("ListSandboxVariables", **where) == [replaced]


@pytest.mark.parametrize("key", ["", "A=B"])
async def test_names_that_no_environment_can_hold_are_refused(api: Api, config: Any, key: str) -> None:
    status, said = await problem(
        api, "CreateSandboxVariable", {"key": key, "value": ""}, sandbox_config_id=config["id"]
    )

    assert status == 422
    assert "key" in said


async def test_values_are_encrypted_at_rest(api: Api, config: Any, database: Database) -> None:
    await api.call("CreateSandboxVariable", {"key": "K", "value": "hunter2"}, sandbox_config_id=config["id"])

    async with database.begin() as transaction:
        (stored,) = (await transaction.execute(text("SELECT value_enc FROM tools.sandbox_variables"))).scalars()

    assert "hunter2" not in stored


async def test_a_deleted_sandbox_takes_its_variables_along(api: Api, config: Any) -> None:
    await api.call("CreateSandboxVariable", {"key": "K", "value": "v"}, sandbox_config_id=config["id"])

    assert await api.call("DeleteSandboxConfig", sandbox_config_id=config["id"]) is None

    again = await api.call("CreateDefaultLocalSandboxConfig")
    assert await api.call("ListSandboxVariables", sandbox_config_id=again["id"]) == []
