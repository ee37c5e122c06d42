"""The REST operations of all services, read from the descriptors of their `rest.proto` files."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)

from perdure.options.v1 import rest_pb2 as options

BODY = "body"  # the field of a request message that holds the JSON body


@dataclass(frozen=True)
class Parameter:
    """A path or query parameter, as the field that carries it."""

    field: FieldDescriptorProto
    rules: options.RestParameter
    comment: str


@dataclass(frozen=True)
class Operation:
    """A REST operation: its RPC, its route, and what it reads and writes."""

    service: str
    name: str
    verb: str
    path: str
    comment: str
    rest: options.RestOperation
    parameters: tuple[Parameter, ...]


def read_operations(descriptors: FileDescriptorSet) -> Iterator[Operation]:
    """Every RPC that has a route, file by file. Comments need descriptors made with source info."""
    for file in descriptors.file:
        messages = {message.name: (index, message) for index, message in enumerate(file.message_type)}
        for service_index, service in enumerate(file.service):
            for method_index, method in enumerate(service.method):
                if method.options.HasExtension(annotations_pb2.http):
                    request_index, request = messages[method.input_type.rsplit(".", 1)[-1]]
                    yield _operation(
                        f"{file.package}.{service.name}",
                        method,
                        comment=_comment(file, (6, service_index, 2, method_index)),
                        parameters=_parameters(file, request, request_index),
                    )


def _operation(
    service: str, method: MethodDescriptorProto, *, comment: str, parameters: Iterable[Parameter]
) -> Operation:
    rule = method.options.Extensions[annotations_pb2.http]
    verb = rule.WhichOneof("pattern")
    return Operation(
        service=service,
        name=method.name,
        verb=verb,
        path=getattr(rule, verb),
        comment=comment,
        rest=method.options.Extensions[options.rest],
        parameters=tuple(parameters),
    )


def _parameters(file: FileDescriptorProto, request: DescriptorProto, index: int) -> Iterator[Parameter]:
    for field_index, field in enumerate(request.field):
        if field.name != BODY:
            rules = field.options.Extensions[options.parameter]
            yield Parameter(field, rules, _comment(file, (4, index, 2, field_index)))


def _comment(file: FileDescriptorProto, path: tuple[int, ...]) -> str:
    """The comment above what `path` leads to, see SourceCodeInfo in descriptor.proto."""
    for location in file.source_code_info.location:
        if tuple(location.path) == path:
            return "\n".join(line.strip() for line in location.leading_comments.strip().splitlines())
    return ""
