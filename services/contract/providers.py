"""Providers of models that were created over the API."""

from pydantic import BaseModel

from services.contract.model_configs import ProviderCategory
from services.contract.timestamps import Timestamp


class Provider(BaseModel):
    """A provider. Its secrets are never shown."""

    id: str | None = None
    name: str
    provider_type: str
    provider_category: ProviderCategory
    api_key: str | None = None
    base_url: str | None = None
    access_key: str | None = None
    region: str | None = None
    api_version: str | None = None
    organization_id: str | None = None
    updated_at: Timestamp | None = None
    last_synced: Timestamp | None = None
    api_key_enc: str | None = None
    access_key_enc: str | None = None
