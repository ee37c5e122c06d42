"""Ids inside bodies: strings whose form is checked."""

from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from services.common.ids import is_id


def _has_prefix(prefix: str) -> AfterValidator:
    def check(text: str) -> str:
        if not is_id(text, prefix):
            raise PydanticCustomError(
                "id_format",
                "Input should be an id of the form {prefix}-<uuid4>",
                {"prefix": prefix},
            )
        return text

    return AfterValidator(check)


BlockId = Annotated[str, _has_prefix("block")]
FolderId = Annotated[str, _has_prefix("source")]
IdentityId = Annotated[str, _has_prefix("identity")]
MessageId = Annotated[str, _has_prefix("message")]
ToolId = Annotated[str, _has_prefix("tool")]
