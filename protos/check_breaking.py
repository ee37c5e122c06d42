"""Compares the protos with those of the newest release: `python protos/check_breaking.py [REVISION]`.

`buf breaking` cannot read Google's protos out of git, so two descriptor sets are compared.
"""

import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

from generate import GEN, PROTOS, builtin_protos, common_protos


def main() -> int:
    """buf's verdict, as an exit code."""
    revision = sys.argv[1] if len(sys.argv) > 1 else newest_release()
    if not revision:
        print("buf breaking: there is no release to compare with yet")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder)
        archive = subprocess.run(["git", "archive", revision, "protos"], check=True, stdout=subprocess.PIPE).stdout
        with tarfile.open(fileobj=BytesIO(archive)) as tar:
            tar.extractall(before, filter="data")
        describe(before / "protos", before / "before.binpb")
        against = ["--against", str(before / "before.binpb")]
        buf = Path(sys.executable).with_name("buf")
        return subprocess.run([buf, "breaking", f"{GEN}/descriptor.pb#format=binpb", *against], check=False).returncode


def newest_release() -> str:
    """The tag of the newest release; empty when there is none."""
    command = ["git", "tag", "--list", "v*", "--sort=-version:refname"]
    tags = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=PROTOS).stdout.split()
    return tags[0] if tags else ""


def describe(protos: Path, out: Path) -> None:
    """Writes the descriptor set of a folder of protos, with what they import."""
    command = [sys.executable, "-m", "grpc_tools.protoc", "--include_imports", f"--descriptor_set_out={out}"]
    command += [f"--proto_path={path}" for path in (protos, common_protos(), builtin_protos())]
    subprocess.run([*command, *map(str, sorted(protos.rglob("*.proto")))], check=True)


if __name__ == "__main__":
    sys.exit(main())
