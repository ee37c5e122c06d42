"""Identities: for whom an agent works."""

from typing import Literal

from pydantic import BaseModel

from services.contract.json_object import JsonObject


class IdentityProperty(BaseModel):
    """Something known about an identity."""

    key: str
    value: str | int | float | bool | JsonObject
    type: Literal["string", "number", "boolean", "json"]


class Identity(BaseModel):
    """A person or an organisation, by the caller's own key."""

    id: str
    identifier_key: str
    name: str
    identity_type: Literal["org", "user", "other"]
    project_id: str | None = None
    agent_ids: list[str] = []
    block_ids: list[str] = []
    organization_id: str | None = None
    properties: list[IdentityProperty] = []
