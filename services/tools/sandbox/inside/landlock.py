"""Landlock: rights to files, whatever their owner and mode say. See landlock(7)."""

import ctypes
import os
import stat
from collections.abc import Sequence

from services.tools.sandbox.inside import kernel

CREATE_RULESET = 444
ADD_RULE = 445
RESTRICT_SELF = 446
ASK_VERSION = 1
RULE_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
MAKE_CHAR, MAKE_BLOCK = 1 << 6, 1 << 11
TRUNCATE = 1 << 14
# The number of rights to files that each version knows: before 2 no moving between folders, before 3 no truncation,
# before 5 no control of devices.
RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
LATEST_RIGHTS = 16
NET_RIGHTS = 0b11  # binding and connecting TCP, from version 4 on
SCOPES = 0b11  # abstract sockets and signals to processes outside, from version 6 on
TRUNCATION_SINCE = 3
SIGNALS_SINCE = 6

READ = EXECUTE | READ_FILE | READ_DIR
OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE


def find_version() -> int:
    """The version of the kernel's interface; 0 when it has none."""
    try:
        return kernel.syscall(CREATE_RULESET, None, 0, ASK_VERSION)
    except OSError:
        return 0


def restrict(version: int, readable: Sequence[str], folder: str) -> None:
    """Leaves this process, for good, the right to read some paths and to do what it likes in one folder."""
    rights = (1 << RIGHTS.get(version, LATEST_RIGHTS)) - 1
    words = [rights, NET_RIGHTS if version >= 4 else 0, SCOPES if version >= SIGNALS_SINCE else 0]
    size = 8 * (1 if version < 4 else 2 if version < SIGNALS_SINCE else 3)
    attributes = b"".join(word.to_bytes(8, "little") for word in words)[:size]
    ruleset = kernel.syscall(CREATE_RULESET, ctypes.create_string_buffer(attributes, size), size, 0)
    for path in readable:
        _allow(ruleset, path, READ | (WRITE_FILE if path.startswith("/dev/") else 0))
    _allow(ruleset, folder, rights & ~(MAKE_CHAR | MAKE_BLOCK))
    kernel.syscall(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
        rights &= OF_A_FILE
    rule = rights.to_bytes(8, "little") + descriptor.to_bytes(4, "little")
    kernel.syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.create_string_buffer(rule, len(rule)), 0)
    os.close(descriptor)
