"""The answers of health and readiness."""

from pydantic import BaseModel


class Health(BaseModel):
    """That the server is there, and which version it is."""

    version: str
    status: str
