"""The fields Gemini knows; it refuses others, and takes camel and snake case alike."""

from google.genai import types
from pydantic.alias_generators import to_camel

from tests.fakes.provider.gemini.vendor import invalid
from tests.fakes.provider.prompt import Body

REQUEST = frozenset(
    (
        "model",
        "contents",
        "systemInstruction",
        "tools",
        "toolConfig",
        "safetySettings",
        "generationConfig",
        "cachedContent",
        "labels",
        "serviceTier",
        "store",
    )
)
GENERATION_CONFIG = frozenset(map(to_camel, types.GenerationConfig.model_fields)) | {"imageConfig"}
# https://ai.google.dev/api/caching#Schema has none of these, though the SDK's type does.
_NOT_IN_SCHEMA = {"additional_properties", "defs", "ref"}
_SCHEMA = frozenset(map(to_camel, set(types.Schema.model_fields) - _NOT_IN_SCHEMA))


def read_fields(body: Body | None) -> Body:
    """An object with its own names (not those within) in camel case."""
    return {to_camel(name): value for name, value in (body or {}).items()}


def check_fields(body: Body, known: frozenset[str], place: str) -> None:
    """Refuses an object with a name that is not known."""
    for name in body:
        if name not in known:
            at = f" at '{place}'" if place else ""
            raise invalid(f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.')


def check_schema(schema: Body, place: str) -> None:
    """Refuses a schema that Gemini's subset of OpenAPI does not hold."""
    schema = read_fields(schema)
    check_fields(schema, _SCHEMA, place)
    kind = str(schema.get("type", "")).upper()
    properties = schema.get("properties") or {}
    if kind == "OBJECT" and not properties:
        raise invalid(f"* GenerateContentRequest.{place}.properties: should be non-empty for OBJECT type")
    if kind == "ARRAY" and not schema.get("items"):
        raise invalid(f"* GenerateContentRequest.{place}.items: missing field.")
    for index, name in enumerate(schema.get("required") or ()):
        if name not in properties:
            raise invalid(f"* GenerateContentRequest.{place}.required[{index}]: property is not defined")
    for name, part in properties.items():
        check_schema(part, f"{place}.properties[{name}]")
    if schema.get("items"):
        check_schema(schema["items"], f"{place}.items")
    for index, part in enumerate(schema.get("anyOf") or ()):
        check_schema(part, f"{place}.any_of[{index}]")
