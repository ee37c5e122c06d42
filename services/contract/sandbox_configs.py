"""How an organisation's tools run: the sandbox, and the variables in its environment."""

from typing import Literal

from pydantic import BaseModel

from services.contract.audit import Audited
from services.contract.tools import Requirement
from services.contract.variable_name import VariableName

SandboxType = Literal["e2b", "modal", "local"]


class LocalSandbox(BaseModel):
    """The sandbox of this server. `pip_requirements` are packages that every tool may import.

    The other fields are kept for older programs and change nothing: each call has a folder of its own.
    """

    sandbox_dir: str | None = None
    use_venv: bool = False
    venv_name: str = "venv"
    pip_requirements: list[Requirement] = []


class E2bSandbox(BaseModel):
    """A sandbox at E2B; not offered."""

    timeout: int
    template: str | None = None
    pip_requirements: list[str] | None = None


class ModalSandbox(BaseModel):
    """A sandbox at Modal; not offered."""

    timeout: int = 60
    pip_requirements: list[str] | None = None
    npm_requirements: list[str] | None = None
    language: Literal["python", "typescript"]


SandboxSettings = LocalSandbox | E2bSandbox | ModalSandbox


class SandboxConfig(Audited):
    """A sandbox of an organisation."""

    id: str
    type: SandboxType
    organization_id: str | None = None
    config: LocalSandbox


class CreateSandboxConfig(BaseModel):
    """A new sandbox. An organisation has one of each type: sent again, it replaces the settings."""

    config: SandboxSettings


class UpdateSandboxConfig(BaseModel):
    """The new settings of a sandbox, as a whole."""

    config: SandboxSettings | None = None


class SandboxVariable(Audited):
    """A variable in the environment of all tools of a sandbox."""

    id: str
    key: str
    value: str
    description: str | None = None
    organization_id: str | None = None
    value_enc: str | None = None
    sandbox_config_id: str


class CreateSandboxVariable(BaseModel):
    """A new variable. One of the same name is replaced."""

    key: VariableName
    value: str
    description: str | None = None


class UpdateSandboxVariable(BaseModel):
    """What changes in a variable: the fields that were sent."""

    key: VariableName | None = None
    value: str | None = None
    description: str | None = None
