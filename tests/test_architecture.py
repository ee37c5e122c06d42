"""The rules on who may import whom, and on routes: broken ones would be found late or not at all."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.api import annotations_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT = Path(__file__).parents[1]
SERVICES = ("agents", "runs", "llm_router", "tools")
SHARED = ("services.common", "services.contract")
# Where a service meets the outside: by the name of the module or of its folder.
EDGES = {
    "__main__",
    "config",
    "schema",
    "servicer",
    "rest",
    "clients",
    "conversions",
    "store",
    "tables",
    "migrations",
    "providers",
}
OUTSIDE = ("sqlalchemy", "asyncpg", "alembic", "grpc", "httpx", "redis", "os.environ")
# The generated types that the domain speaks, beside perdure.conversation.v1: events are kept as they are sent.
VOCABULARY = ("perdure.runs.v1.run_pb2",)


def modules(service: str) -> Iterator[Path]:
    return (ROOT / "services" / service).rglob("*.py")


def imports(module: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("service", SERVICES)
def test_services_never_import_each_other(service: str) -> None:
    allowed = (f"services.{service}", *SHARED)

    strangers = {
        f"{module.relative_to(ROOT)}: {name}"
        for module in modules(service)
        for name in imports(module)
        if name.startswith("services.") and not name.startswith(allowed)
    }

    assert not strangers


@pytest.mark.parametrize("shared", ["common", "contract"])
def test_shared_code_imports_no_service(shared: str) -> None:
    strangers = {
        f"{module.relative_to(ROOT)}: {name}"
        for module in modules(shared)
        for name in imports(module)
        if name.startswith("services.") and not name.startswith(SHARED)
    }

    assert not strangers


@pytest.mark.parametrize("service", SERVICES)
def test_the_domain_knows_nothing_of_the_outside(service: str) -> None:
    generated = {f"perdure.{name}.v1" for name in SERVICES}

    strangers = {
        f"{module.relative_to(ROOT)}: {name}"
        for module in modules(service)
        if not EDGES & {module.stem, *module.relative_to(ROOT / "services" / service).parts}
        for name in imports(module)
        if name.startswith(OUTSIDE) or (".".join(name.split(".")[:3]) in generated and name not in VOCABULARY)
    }

    assert not strangers


def test_no_route_is_declared_twice() -> None:
    """The gateway answers 404 to both, without a word."""
    routes = Counter(_routes())

    assert [route for route, times in routes.items() if times > 1] == []


def _routes() -> Iterator[str]:
    files = FileDescriptorSet.FromString((ROOT / "gen" / "descriptor.pb").read_bytes())
    for file in files.file:
        for service in file.service:
            for method in service.method:
                rule = method.options.Extensions[annotations_pb2.http]
                if verb := rule.WhichOneof("pattern"):
                    yield f"{verb} {_without_names(getattr(rule, verb))}"


def _without_names(path: str) -> str:
    return "/".join("*" if part.startswith("{") else part for part in path.split("/"))
