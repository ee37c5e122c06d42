"""Fills in the gateway's configuration, `gateway/envoy.yaml`."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT = Path(__file__).resolve().parents[3]
DESCRIPTOR = ROOT / "gen" / "descriptor.pb"
OPENAPI = ROOT / "gen" / "openapi.json"
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")
BUFFER_BYTES = 32 * 1024 * 1024  # what the gateway holds of a body, at least
MAX_ANSWER_BYTES = 256 * 1024 * 1024  # of one that is no stream; services send no more in one message
METHODS = ("get", "put", "post", "delete", "patch")


@dataclass(frozen=True)
class Gateway:
    """Where the gateway listens, where the services are, and who may ask.

    `services` holds the gRPC targets of each service's replicas: `unix:/path` or `host:port`.
    """

    listen: str
    services: Mapping[str, Sequence[str]]
    hosts: Sequence[str] = ()  # host names it answers to, beside the local ones
    origins: Sequence[str] = ()  # web origins whose pages may ask, beside the local ones
    max_body_bytes: int = BUFFER_BYTES  # of a request

    def render(self) -> str:
        """The configuration, as Envoy reads it."""
        values: dict[str, object] = {
            "listen_address": address(self.listen),
            "errors_lua": str(ROOT / "gateway" / "errors.lua"),
            "discard_lua": str(ROOT / "gateway" / "discard.lua"),
            "descriptor": str(DESCRIPTOR),
            "openapi": openapi_answer(),
            "max_body_bytes": self.max_body_bytes,
            "too_many_bytes": self.max_body_bytes + 1,
            "max_answer_bytes": MAX_ANSWER_BYTES,
            "too_large": too_large(self.max_body_bytes),
            "buffer_bytes": max(self.max_body_bytes, BUFFER_BYTES),
            "rest_paths": rest_paths(FileDescriptorSet.FromString(DESCRIPTOR.read_bytes())),
            "allowed_hosts": [*LOCAL_HOSTS, *self.hosts],
            "allowed_origins": origin_pattern(self.origins),
            "cluster_type": "STATIC" if self.listens_locally() else "STRICT_DNS",
        }
        for service, targets in self.services.items():
            values[f"{service}_endpoints"] = [{"endpoint": {"address": address(target)}} for target in targets]
        template = Template((ROOT / "gateway" / "envoy.yaml").read_text())
        return template.substitute({name: json.dumps(value) for name, value in values.items()})

    def listens_locally(self) -> bool:
        """Whether all services are on unix sockets of this machine."""
        return all(target.startswith("unix:") for targets in self.services.values() for target in targets)


def address(target: str) -> dict[str, object]:
    """A gRPC target as Envoy's address."""
    if target.startswith("unix:"):
        return {"pipe": {"path": target.removeprefix("unix:")}}
    host, _, port = target.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}


def too_large(most_bytes: int) -> str:
    """What is said of a body that has more bytes."""
    return f"The body of a request may have {most_bytes / 1024**2:g} MiB (PERDURE_MAX_BODY_MB); this one has more."


def openapi_answer() -> dict[str, object]:
    """What `/openapi.json` answers: the document, if it was generated."""
    if OPENAPI.exists():
        return {"status": 200, "body": {"filename": str(OPENAPI)}}
    return {"status": 404, "body": {"inline_string": '{"detail":"Not Found"}'}}


def origin_pattern(origins: Iterable[str]) -> str:
    """A regular expression for the web origins that may ask."""
    local = "|".join(re.escape(host) for host in LOCAL_HOSTS)
    return "|".join([rf"https?://({local})(:\d+)?", *(re.escape(origin) for origin in origins)])


def rest_paths(files: FileDescriptorSet) -> dict[str, list[str]]:
    """The paths of each HTTP method as Lua patterns, so that a wrong method can be told from a wrong path."""
    paths: dict[str, list[str]] = defaultdict(list)
    for rpc in (rpc for file in files.file for service in file.service for rpc in service.method):
        rule = rpc.options.Extensions[annotations_pb2.http]
        for method in METHODS:
            if path := getattr(rule, method):
                paths[method.upper()].append(lua_pattern(path))
    return paths


def lua_pattern(path: str) -> str:
    """`/v1/tool-sets/{id}` as `^/v1/tool%-sets/[^/]+/?$`."""
    parts = [part.replace("-", "%-").replace(".", "%.") for part in re.split(r"\{[^}]*\}", path)]
    return "^" + "[^/]+".join(parts) + "/?$"
