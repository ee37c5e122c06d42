"""Who made a resource, and when."""

from pydantic import BaseModel

from services.contract.timestamps import Timestamp


class Audited(BaseModel):
    """The fields that come first in a resource which remembers its author."""

    created_by_id: str | None = None
    last_updated_by_id: str | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
