"""Who acts on tools, and for whom."""

from dataclasses import dataclass

from services.common.caller import Caller


@dataclass(frozen=True)
class Owner:
    """Who acts, and for whom."""

    organization_id: str
    user_id: str

    @classmethod
    def of(cls, caller: Caller) -> "Owner":
        """The caller of a REST operation."""
        return cls(caller.organization_id, caller.user_id)
