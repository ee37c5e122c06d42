"""The arguments of calls of built-in tools."""

from typing import Any

from pydantic import BaseModel, model_validator


class CallArguments(BaseModel):
    """What a model gives a tool. Models write null, too, for an argument that they leave out."""

    @model_validator(mode="before")
    @classmethod
    def _leave_nulls_out(cls, given: Any) -> Any:  # Any: JSON, not checked yet
        return {name: value for name, value in given.items() if value is not None} if isinstance(given, dict) else given
