"""The parts that the content of a message is made of."""

from typing import Annotated, Literal

from pydantic import BaseModel, Discriminator, Field, Tag

from services.contract.json_object import JsonObject


class TextPart(BaseModel):
    """Text, with the signature of the provider that wrote it where there is one."""

    type: Literal["text"] = "text"
    text: str
    signature: str | None = None


class UrlImage(BaseModel):
    """An image to be fetched."""

    type: Literal["url"] = "url"
    url: str


class Base64Image(BaseModel):
    """An image in the message itself."""

    type: Literal["base64"] = "base64"
    media_type: str
    data: str
    detail: str | None = None


class StoredImage(BaseModel):
    """An image that the server keeps as a file."""

    type: Literal["letta"] = "letta"
    file_id: str
    media_type: str | None = None
    data: str | None = None
    detail: str | None = None


class ImagePart(BaseModel):
    """An image."""

    type: Literal["image"] = "image"
    source: Annotated[UrlImage | Base64Image | StoredImage, Field(discriminator="type")]


class ToolCallPart(BaseModel):
    """A call of a tool, as part of what the model said."""

    type: Literal["tool_call"] = "tool_call"
    id: str
    name: str
    input: JsonObject
    signature: str | None = None


class ToolReturnPart(BaseModel):
    """What a tool returned."""

    type: Literal["tool_return"] = "tool_return"
    tool_call_id: str
    content: str
    is_error: bool


class ReasoningPart(BaseModel):
    """Reasoning that may be shown."""

    type: Literal["reasoning"] = "reasoning"
    is_native: bool
    reasoning: str
    signature: str | None = None


class RedactedReasoningPart(BaseModel):
    """Reasoning that only its provider can read."""

    type: Literal["redacted_reasoning"] = "redacted_reasoning"
    data: str


class OmittedReasoningPart(BaseModel):
    """Reasoning that its provider keeps."""

    type: Literal["omitted_reasoning"] = "omitted_reasoning"
    signature: str | None = None


class ReasoningSummary(BaseModel):
    """One paragraph of summarised reasoning."""

    index: int
    text: str


class SummarizedReasoningPart(BaseModel):
    """Reasoning of which its provider shows a summary."""

    type: Literal["summarized_reasoning"] = "summarized_reasoning"
    id: str
    summary: list[ReasoningSummary]
    encrypted_content: str | None = None


ShownPart = Annotated[TextPart | ImagePart, Field(discriminator="type")]

Part = Annotated[
    TextPart
    | ImagePart
    | ToolCallPart
    | ToolReturnPart
    | ReasoningPart
    | RedactedReasoningPart
    | OmittedReasoningPart
    | SummarizedReasoningPart,
    Field(discriminator="type"),
]


def _form_of(content: object) -> str | None:
    if isinstance(content, str):
        return "text"
    return "parts" if isinstance(content, list) else None


# Names the form that a wrong content has, so that an error speaks of that form alone.
_BY_FORM = Discriminator(
    _form_of,
    custom_error_type="content_form",
    custom_error_message="Input should be a string or a list of parts",
)

Content = Annotated[Annotated[str, Tag("text")] | Annotated[list[Part], Tag("parts")], _BY_FORM]

ShownContent = Annotated[Annotated[str, Tag("text")] | Annotated[list[ShownPart], Tag("parts")], _BY_FORM]
