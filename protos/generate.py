"""Generates everything that is made from the protos into `gen/`, which is not in git.

gen/perdure/         messages, gRPC stubs and their types
gen/descriptor.pb    the descriptor set that the gateway and the OpenAPI document are made from
gen/include/         links to Google's protos, for buf
gen/openapi.json     the OpenAPI document
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import grpc_tools
from google.api import annotations_pb2

PROTOS = Path(__file__).resolve().parent
GEN = PROTOS.parent / "gen"
LINKED_PROTOS = ("google/api/annotations.proto", "google/api/http.proto", "google/api/httpbody.proto")
ERROR_DETAILS = "google/rpc/error_details.proto"  # the gateway cannot print an error whose details it does not know


def main() -> None:
    """Makes `gen/` anew."""
    GEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=GEN) as scratch:
        generate(Path(scratch))
        replace_package(Path(scratch))
        os.replace(Path(scratch) / "descriptor.pb", GEN / "descriptor.pb")
    link_google_protos()
    write_openapi()


def generate(out: Path) -> None:
    """Runs protoc over every proto of ours."""
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={PROTOS}"]
    command += [f"--proto_path={include}" for include in (common_protos(), builtin_protos())]
    command += [f"--{kind}_out={out}" for kind in ("python", "grpc_python")]
    command += [f"--mypy_out=quiet:{out}", f"--mypy_grpc_out=quiet,only_async:{out}"]
    command += [f"--descriptor_set_out={out}/descriptor.pb", "--include_imports", "--include_source_info"]
    command += [ERROR_DETAILS, *sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))]
    plugins = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    subprocess.run(command, check=True, env={**os.environ, "PATH": plugins})
    for folder in [out / "perdure", *(path for path in (out / "perdure").rglob("*") if path.is_dir())]:
        (folder / "__init__.py").touch()
    (out / "perdure" / "py.typed").touch()


def common_protos() -> Path:
    """The folder that `google/api/annotations.proto` is relative to."""
    return Path(annotations_pb2.__file__).parents[2]


def builtin_protos() -> Path:
    """The folder that `google/protobuf/descriptor.proto` is relative to."""
    return Path(grpc_tools.__file__).parent / "_proto"


def replace_package(made: Path) -> None:
    """Puts the new package in place of the old one, so that no stale module stays behind."""
    package = GEN / "perdure"
    if package.exists():
        package.rename(made / "replaced")
    (made / "perdure").rename(package)


def link_google_protos() -> None:
    """Gives buf the imported Google protos, without copying them into the repository."""
    include = GEN / "include"
    shutil.rmtree(include, ignore_errors=True)
    for name in LINKED_PROTOS:
        (include / name).parent.mkdir(parents=True, exist_ok=True)
        (include / name).symlink_to(common_protos() / name)


def write_openapi() -> None:
    """Makes the OpenAPI document in a process of its own, which sees the package that was just generated."""
    root = PROTOS.parent
    command = [sys.executable, "-m", "services.contract.openapi", "gen/descriptor.pb"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(GEN)])}
    made = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=root, env=environment)
    (GEN / "openapi.json").write_bytes(made.stdout)


if __name__ == "__main__":
    main()
