"""JSON bodies: the pydantic models that `rest.proto` names, and what is wrong with a body in words."""

import asyncio
from importlib import import_module
from typing import Any

from pydantic import TypeAdapter, ValidationError

from services.common.errors import Json, Unprocessable

LARGE_BODY_BYTES = 65_536  # bytes; reading more than this takes over a millisecond and leaves the event loop


def find_model(name: str) -> Any:
    """The class or union that "<file>.<Name>" means below services/contract."""
    module, _, attribute = name.partition(".")
    return getattr(import_module(f"services.contract.{module}"), attribute)


class BodyReader:
    """Reads the JSON bodies of one operation into its model (any class or union of services/contract)."""

    def __init__(self, model: Any, *, optional: bool) -> None:
        self._adapter: TypeAdapter[Any] = TypeAdapter(model)
        self._optional = optional

    async def read(self, data: bytes) -> Any:
        """The model. Raises `Unprocessable`, naming every field that is wrong."""
        if not data.strip():
            if self._optional:
                return self._validate(b"{}")
            raise Unprocessable(
                [
                    {
                        "type": "missing",
                        "loc": ["body"],
                        "msg": "The request needs a JSON body.",
                    }
                ]
            )
        if len(data) > LARGE_BODY_BYTES:
            return await asyncio.to_thread(self._validate, data)
        return self._validate(data)

    def _validate(self, data: bytes) -> Any:
        try:
            return self._adapter.validate_json(data)
        except ValidationError as exc:
            raise Unprocessable(_problems(exc)) from exc


def _problems(error: ValidationError) -> list[Json]:
    """One `{type, loc, msg}` per problem; `loc` begins with "body" and leads to the field."""
    return [
        {
            "type": problem["type"],
            "loc": ["body", *problem["loc"]],
            "msg": problem["msg"],
        }
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    ]
