"""Programs that filter system calls, in the kernel's own little language (BPF). See seccomp(2)."""

import ctypes
import errno
import os
import struct

from services.tools.sandbox.inside import kernel

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
MACHINE = os.uname().machine
X32_BIT = 0x40000000  # marks a second set of the same calls on x86-64

LOAD, AND, RETURN = 0x20, 0x54, 0x06
IF_EQUAL, IF_ABOVE_OR_EQUAL, IF_ANY_BIT = 0x15, 0x35, 0x45
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data; arguments have 8 bytes, low ones first
SECCOMP = (317, 277)
SET_MODE_FILTER = 1
WITH_LISTENER = 8

Call = tuple[int, int]  # the number of a system call on x86-64 and on arm64; -1: it has no such call


def number(call: Call) -> int:
    """The number of a system call on this machine."""
    return call[list(ARCHITECTURES).index(MACHINE)]


def program(*rules: bytes) -> bytes:
    """A filter that lets through what no rule decides. Other sets of system calls kill the process."""
    return b"".join(
        (
            _instruction(LOAD, ARCHITECTURE),
            jump(IF_EQUAL, ARCHITECTURES[MACHINE], skip_if_true=1),
            KILL,
            _instruction(LOAD, NUMBER),
            jump(IF_ABOVE_OR_EQUAL, X32_BIT, skip_if_false=1),
            KILL,
            *rules,
            ALLOW,
        )
    )


def when(number: int, *then: bytes) -> bytes:
    """A rule for one system call; it ends with what to do."""
    return jump(IF_EQUAL, number, skip_if_false=len(then)) + b"".join(then)


def jump(condition: int, value: int, *, skip_if_true: int = 0, skip_if_false: int = 0) -> bytes:
    """Compares what was loaded, and skips so many instructions."""
    return _instruction(condition, value, skip_if_true=skip_if_true, skip_if_false=skip_if_false)


def load(argument: int) -> bytes:
    """Loads the lower half of an argument of the call."""
    return _instruction(LOAD, ARGUMENTS + 8 * argument)


def keep_bits(bits: int) -> bytes:
    """Leaves these bits of what was loaded."""
    return _instruction(AND, bits)


def fail(error: int) -> bytes:
    """The call fails with an error number."""
    return _instruction(RETURN, 0x00050000 | error)


def restrict(program: bytes, *, listen: bool = False) -> int:
    """Filters the calls of this process, and of those it starts, for good. It must have no_new_privs. Raises OSError.

    `listen`: returns the listener, a descriptor for who is asked.
    """
    instructions = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(instructions))
    header = ctypes.create_string_buffer(described, len(described))
    return kernel.syscall(number(SECCOMP), SET_MODE_FILTER, WITH_LISTENER if listen else 0, header)


def _instruction(code: int, value: int, *, skip_if_true: int = 0, skip_if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, skip_if_true, skip_if_false, value)


ALLOW, ASK, KILL = (_instruction(RETURN, action) for action in (0x7FFF0000, 0x7FC00000, 0x80000000))
ALLOW_ELSE_FAIL = (ALLOW, fail(errno.EPERM))  # the second is skipped to
