"""The REST operations as the descriptors list them, and the OpenAPI document made from them."""

from collections import Counter
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

import perdure
from services.contract.openapi import build_document
from services.contract.operations import Operation, read_operations

DESCRIPTORS = Path(perdure.__path__[0]).parent / "descriptor.pb"


@pytest.fixture(scope="module")
def operations() -> list[Operation]:
    return list(read_operations(FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())))


def test_no_route_is_taken_twice(operations: list[Operation]) -> None:
    routes = Counter((operation.verb, operation.path) for operation in operations)

    assert [route for route, times in routes.items() if times > 1] == []


def test_every_path_parameter_has_a_field(operations: list[Operation]) -> None:
    for operation in operations:
        fields = {parameter.field.name for parameter in operation.parameters}
        assert {part[1:-1] for part in operation.path.split("/") if part.startswith("{")} <= fields, operation.name


def test_every_operation_says_what_it_answers(operations: list[Operation]) -> None:
    assert [one.name for one in operations if not (one.rest.answer or one.rest.event)] == []


def test_the_document_describes_parameters_bodies_and_answers(operations: list[Operation]) -> None:
    document = build_document(operations)

    update = document["paths"]["/v1/agents/{agent_id}"]["patch"]
    limit = next(one for one in document["paths"]["/v1/agents"]["get"]["parameters"] if one["name"] == "limit")
    send = document["paths"]["/v1/agents/{agent_id}/messages"]["post"]

    assert update["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/UpdateAgent")
    assert limit["schema"] == {"type": "integer", "minimum": 1, "default": 50}
    assert set(send["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
