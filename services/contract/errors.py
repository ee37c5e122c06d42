"""The body of every answer that is not a success."""

from pydantic import BaseModel

from services.contract.json_object import JsonObject


class FieldError(BaseModel):
    """What is wrong with one field of a body or one parameter."""

    type: str
    loc: list[str | int]
    msg: str


class ErrorAnswer(BaseModel):
    """A sentence; for a malformed request (422) one entry per field; for a pending approval an object."""

    detail: str | list[FieldError] | JsonObject
