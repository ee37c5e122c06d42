"""What a machine must give for tools to run."""

import pytest

from services.tools.sandbox.layers import Layers

ALL = ("user", "mount", "pid", "net", "ipc", "uts")


@pytest.mark.parametrize(
    ("layers", "are_enough"),
    [
        (Layers(ALL, landlock=7, seccomp=True), True),
        (Layers(ALL, landlock=0, seccomp=True), True),
        (Layers((), landlock=1, seccomp=True), True),
        (Layers(ALL, landlock=7, seccomp=False), False),
        (Layers((), landlock=0, seccomp=True), False),
        (Layers(("user", "pid", "net", "ipc", "uts"), landlock=0, seccomp=True), False),
        (Layers(), False),
    ],
)
def test_tools_need_seccomp_and_landlock_or_namespaces(layers: Layers, are_enough: bool) -> None:
    assert layers.are_enough is are_enough
