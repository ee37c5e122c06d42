"""The options of servers."""

from pathlib import Path

import grpc
import pytest

from services.common.server import OPTIONS


@pytest.fixture(scope="module")
def library() -> bytes:
    """gRPC itself, which passes over what it does not know."""
    [found] = (Path(grpc.__file__).parent / "_cython").glob("cygrpc*.so")
    return found.read_bytes()


@pytest.mark.parametrize("name", [name for name, _ in OPTIONS])
def test_grpc_knows_the_option(library: bytes, name: str) -> None:
    assert name.encode() + b"\0" in library
