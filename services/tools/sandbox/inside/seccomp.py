"""seccomp: a filter of system calls, in the kernel's own little language (BPF). See seccomp(2).

It denies what tools have no use for and what has let programs out of sandboxes; the rest is let through, as other
layers guard it. Sockets are denied too; a pair of connected ones is what asyncio needs and reaches nobody.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterator

from services.tools.sandbox.inside import kernel
from services.tools.sandbox.inside.landlock import SIGNALS_SINCE
from services.tools.sandbox.layers import Layers

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_BIT = 0x40000000  # marks a second set of the same calls on x86-64

LOAD, AND, JUMP_IF_EQUAL, JUMP_IF_ABOVE_OR_EQUAL, JUMP_IF_ANY_BIT, RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data; arguments have 8 bytes, low ones first
ALLOW, ASK, FAIL, KILL = 0x7FFF0000, 0x7FC00000, 0x00050000, 0x80000000
SECCOMP = (317, 277)
SET_MODE_FILTER = 1
WITH_LISTENER = 8

NEW_NAMESPACES = 0x7E020000  # every CLONE_NEW… flag that clone(2) takes
CLONE = (56, 220)
PRLIMIT = (302, 261)  # for the limits of the process itself: number 0
CLONE3 = (435, 435)  # takes its flags by address, where a filter cannot look: libraries fall back to clone

# For calls that have the network.
SOCKET = (41, 198)
CONNECT = (42, 203)
WITH_FLAGS = {(44, 206): 3, (46, 211): 2, (307, 269): 3}  # sendto, sendmsg, sendmmsg: which argument has their flags
FAST_OPEN = 0x20000000  # sends and connects at once
FAMILIES = (2, 10)  # AF_INET, AF_INET6
STREAM = 1
TYPE_BITS = 0xF  # the others of a socket's type are flags
PROTOCOLS = (0, 6)  # the default for streams, and its name: TCP. Others can connect without connect(2)

# Numbers on x86-64 and on arm64; -1: it has no such call.
DENIED = {
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    # files of others, mounts, namespaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
    "unshare": (272, 97),
    "setns": (308, 268),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    # ways around other layers, and large targets
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "personality": (135, 92),
    "modify_ldt": (154, -1),
    # memory that no limit counts
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    # the machine
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "acct": (163, 89),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "iopl": (172, -1),
    "ioperm": (173, -1),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
}
# Denied to calls that have the network, instead of all sockets.
SERVING = {"bind": (49, 200), "listen": (50, 201)}
# Denied beside these where calls have no namespace of processes: what they started could leave their group, or slow
# others of the same user down …
AMONG_OTHERS = {
    "setsid": (112, 157),
    "setpgid": (109, 154),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
    "sched_setaffinity": (203, 122),
}
# … or, where Landlock does not see to it, they could signal others of the same user.
SIGNALS = {
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
}


def is_available() -> bool:
    """Whether the kernel can filter, and we know this architecture's numbers."""
    try:
        kernel.prctl(kernel.PR_GET_SECCOMP)
    except OSError:
        return False
    return os.uname().machine in ARCHITECTURES


def assemble(layers: Layers, *, network: bool) -> bytes:
    """The filter, as instructions of 8 bytes. A jump counts the instructions to skip.

    `network`: TCP sockets may be made, and whoever holds the listener is asked for each connection.
    """
    machine = os.uname().machine
    column = list(ARCHITECTURES).index(machine)
    numbers = sorted(calls[column] for calls in _denied(layers, network=network).values() if calls[column] >= 0)
    return b"".join(
        (
            _instruction(LOAD, ARCHITECTURE),
            _instruction(JUMP_IF_EQUAL, ARCHITECTURES[machine], skip_if_true=1),
            _instruction(RETURN, KILL),
            _instruction(LOAD, NUMBER),
            _instruction(JUMP_IF_ABOVE_OR_EQUAL, X32_BIT, skip_if_false=1),
            _instruction(RETURN, KILL),
            *(_when(number, _instruction(RETURN, FAIL | errno.EPERM)) for number in numbers),
            _when(CLONE3[column], _instruction(RETURN, FAIL | errno.ENOSYS)),
            _when(PRLIMIT[column], _load(0), _instruction(JUMP_IF_EQUAL, 0, skip_if_false=1), *_ALLOW_ELSE_FAIL),
            _when(
                CLONE[column],
                _load(0),
                _instruction(JUMP_IF_ANY_BIT, NEW_NAMESPACES, skip_if_true=1),
                *_ALLOW_ELSE_FAIL,
            ),
            *(_network(column) if network else ()),
            _instruction(RETURN, ALLOW),
        )
    )


def _network(column: int) -> Iterator[bytes]:
    """Sockets for TCP alone, which connect with connect(2) and in no other way."""
    yield _when(
        SOCKET[column],
        _load(0),
        _instruction(JUMP_IF_EQUAL, FAMILIES[0], skip_if_true=1),
        _instruction(JUMP_IF_EQUAL, FAMILIES[1], skip_if_false=7),
        _load(1),
        _instruction(AND, TYPE_BITS),
        _instruction(JUMP_IF_EQUAL, STREAM, skip_if_false=4),
        _load(2),
        _instruction(JUMP_IF_EQUAL, PROTOCOLS[0], skip_if_true=1),
        _instruction(JUMP_IF_EQUAL, PROTOCOLS[1], skip_if_false=1),
        *_ALLOW_ELSE_FAIL,
    )
    yield _when(CONNECT[column], _instruction(RETURN, ASK))
    for numbers, position in WITH_FLAGS.items():
        flags = (_load(position), _instruction(JUMP_IF_ANY_BIT, FAST_OPEN, skip_if_true=1))
        yield _when(numbers[column], *flags, *_ALLOW_ELSE_FAIL)


def restrict(program: bytes, *, listen: bool = False) -> int:
    """Filters the calls of this process, and of those it starts, for good. It must have no_new_privs.

    `listen`: returns the listener, a descriptor for who is asked.
    """
    instructions = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(instructions))
    header = ctypes.create_string_buffer(described, len(described))
    number = SECCOMP[list(ARCHITECTURES).index(os.uname().machine)]
    return kernel.syscall(number, SET_MODE_FILTER, WITH_LISTENER if listen else 0, header)


def _denied(layers: Layers, *, network: bool) -> dict[str, tuple[int, int]]:
    denied = DENIED | (SERVING if network else {"socket": SOCKET})
    if "pid" in layers.namespaces:
        return denied
    return denied | AMONG_OTHERS | ({} if layers.landlock >= SIGNALS_SINCE else SIGNALS)


def _instruction(code: int, value: int, *, skip_if_true: int = 0, skip_if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, skip_if_true, skip_if_false, value)


def _load(argument: int) -> bytes:
    return _instruction(LOAD, ARGUMENTS + 8 * argument)


def _when(number: int, *then: bytes) -> bytes:
    """What to do about one system call; it ends in a return."""
    return _instruction(JUMP_IF_EQUAL, number, skip_if_false=len(then)) + b"".join(then)


_ALLOW_ELSE_FAIL = (_instruction(RETURN, ALLOW), _instruction(RETURN, FAIL | errno.EPERM))
