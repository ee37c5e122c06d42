"""Prints the OpenAPI document, made from the descriptors of the REST operations and the pydantic models.

python -m services.contract.openapi gen/descriptor.pb > gen/openapi.json
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from types import GenericAlias
from typing import Any

import orjson
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet
from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from services.common.bodies import find_model
from services.contract.json_object import JsonObject
from services.contract.operations import Operation, Parameter, read_operations

API_VERSION = "1.0"  # of the contract, whatever the version of the server

ERROR = "errors.ErrorAnswer"
FORMS: dict[str, JsonObject] = {
    "null": {"type": "null"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "string": {"type": "string"},
    "object": {"type": "object"},
    "list": {"type": "array", "items": {}},
}
TEXT = "text"  # an answer that is no JSON
UPLOAD: JsonObject = {
    "type": "object",
    "properties": {"file": {"type": "string", "format": "binary"}},
    "required": ["file"],
}
TYPES = {
    FieldDescriptorProto.TYPE_STRING: "string",
    FieldDescriptorProto.TYPE_BOOL: "boolean",
    FieldDescriptorProto.TYPE_INT32: "integer",
}


def main() -> None:
    """Reads the descriptor set named on the command line and prints the document."""
    descriptors = FileDescriptorSet.FromString(Path(sys.argv[1]).read_bytes())
    sys.stdout.buffer.write(orjson.dumps(build_document(read_operations(descriptors))))


def build_document(operations: Iterable[Operation]) -> JsonObject:
    """The OpenAPI 3.1 document of the operations."""
    listed = list(operations)
    schemas = Schemas(listed)
    paths: JsonObject = {}
    for operation in listed:
        paths.setdefault(operation.path, {})[operation.verb] = _describe(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Perdure", "version": API_VERSION},
        "paths": paths,
        "components": {"schemas": schemas.definitions},
    }


class Schemas:
    """The JSON schemas of all models that operations name, with shared definitions."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        wanted: set[tuple[str, JsonSchemaMode]] = {(ERROR, "serialization")}
        for rest in (operation.rest for operation in operations):
            wanted |= {(rest.body, "validation"), (rest.answer, "serialization"), (rest.event, "serialization")}
        inputs = [(name, mode, _adapter(name)) for name, mode in sorted(wanted) if "." in name]
        self._schemas, found = TypeAdapter.json_schemas(inputs, ref_template="#/components/schemas/{model}")
        self.definitions: JsonObject = found.get("$defs", {})

    def of(self, name: str, mode: JsonSchemaMode) -> JsonObject:
        """The schema of what an option of `rest.proto` names."""
        return FORMS[name] if name in FORMS else self._schemas[name, mode]


def _adapter(name: str) -> TypeAdapter[Any]:
    """Whatever "<file>.<Model>" or "<file>.<Model>[]" stands for."""
    model: Any = find_model(name.removesuffix("[]"))  # Any: a type that is made here
    if name.endswith("[]"):
        model = GenericAlias(list, (model,))
    return TypeAdapter(model)


def _describe(operation: Operation, schemas: Schemas) -> JsonObject:
    rest = operation.rest
    summary, _, description = operation.comment.partition("\n")
    described: JsonObject = {
        "operationId": operation.name,
        "tags": [operation.path.removeprefix("/v1").split("/")[1]],
        "summary": summary,
        "description": description,
        "parameters": [_describe_parameter(parameter, operation.path) for parameter in operation.parameters],
        "responses": {
            str(rest.status or 200): {"description": "Success", "content": _content(operation, schemas)},
            "default": {"description": "Failure", "content": _json(schemas.of(ERROR, "serialization"))},
        },
    }
    if rest.body:
        body = _json(schemas.of(rest.body, "validation"))
        described["requestBody"] = {"required": not rest.body_optional, "content": body}
    if rest.file:
        described["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": UPLOAD}}}
    return described


def _content(operation: Operation, schemas: Schemas) -> JsonObject:
    rest = operation.rest
    if rest.answer == TEXT:
        return {"text/plain": {"schema": {"type": "string"}}}
    content = _json(schemas.of(rest.answer, "serialization")) if rest.answer else {}
    if rest.event:
        content["text/event-stream"] = {"schema": schemas.of(rest.event, "serialization")}
    return content


def _json(schema: JsonObject) -> JsonObject:
    return {"application/json": {"schema": schema}}


def _describe_parameter(parameter: Parameter, path: str) -> JsonObject:
    name = parameter.field.name
    in_path = f"{{{name}}}" in path
    return {
        "name": name,
        "in": "path" if in_path else "query",
        "required": in_path or parameter.rules.required,
        "description": parameter.comment,
        "schema": _parameter_schema(parameter),
    }


def _parameter_schema(parameter: Parameter) -> JsonObject:
    field, rules = parameter.field, parameter.rules
    schema: JsonObject = {"type": TYPES[field.type]}
    if rules.values:
        schema["enum"] = list(rules.values)
    if rules.id_prefixes:
        schema["description"] = " or ".join([f"{prefix}-<uuid4>" for prefix in rules.id_prefixes] + [*rules.id_words])
    if rules.HasField("minimum"):
        schema["minimum"] = rules.minimum
    if rules.HasField("maximum"):
        schema["maximum"] = rules.maximum
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        schema = {"type": "array", "items": schema}
    if rules.default_value:
        is_text = field.type == FieldDescriptorProto.TYPE_STRING
        schema["default"] = rules.default_value if is_text else orjson.loads(rules.default_value)
    return schema


if __name__ == "__main__":
    main()
