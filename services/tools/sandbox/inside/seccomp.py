"""The filter of system calls.

It denies what tools have no use for and what has let programs out of sandboxes; the rest is let through, as other
layers guard it. Sockets are denied too; a pair of connected streams is what asyncio needs and reaches nobody.
"""

import errno
from collections.abc import Iterator

from services.tools.sandbox.inside import bpf, kernel
from services.tools.sandbox.inside.landlock import SIGNALS_SINCE, TRUNCATION_SINCE
from services.tools.sandbox.layers import Layers

NEW_NAMESPACES = 0x7E020000  # every CLONE_NEW… flag that clone(2) takes
CLONE = (56, 220)
PRLIMIT = (302, 261)  # for the limits of the process itself: number 0
CLONE3 = (435, 435)  # takes its flags by address, where a filter cannot look: libraries fall back to clone
SOCKETPAIR = (53, 199)  # of datagrams, it sends to any Unix socket
STREAM = 1
TYPE_BITS = 0xF  # the others of a socket's type are flags
FCNTL, IOCTL = (72, 25), (16, 29)
SET_OWNER = {FCNTL: (8, 15), IOCTL: (0x8901, 0x8902)}  # what says which process gets the signals of a descriptor

# For calls without a root of their own where Landlock does not see to truncation: they could empty what they may read.
TRUNCATE = (76, 45)
OPENS = {(2, -1): 1, (257, 56): 2}  # open, openat: which argument has their flags
OPENAT2 = (437, 437)  # takes its flags by address
HOW, EMPTY = 3, 0o1000  # O_ACCMODE, where reading is 0, and O_TRUNC

# For calls that have the network.
SOCKET = (41, 198)
CONNECT = (42, 203)
WITH_FLAGS = {(44, 206): 3, (46, 211): 2, (307, 269): 3}  # sendto, sendmsg, sendmmsg: which argument has their flags
FAST_OPEN = 0x20000000  # sends and connects at once
FAMILIES = (2, 10)  # AF_INET, AF_INET6
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
    "io_setup": (206, 0),
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
# … or, where Landlock does not see to it, they could signal others of the same user. See `SET_OWNER`, too.
SIGNALS = {
    "kill": (62, 129),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
}
# Denied beside these where calls have no root and no user of their own: Landlock guards what files hold, not whose they
# are and who may read them.
OF_FILES = {
    "chmod": (90, -1),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, -1),
    "lchown": (94, -1),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "utime": (132, -1),
    "utimes": (235, -1),
    "futimesat": (261, -1),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
}


def is_available() -> bool:
    """Whether the kernel can filter, and we know this architecture's numbers."""
    try:
        kernel.prctl(kernel.PR_GET_SECCOMP)
    except OSError:
        return False
    return bpf.MACHINE in bpf.ARCHITECTURES


def assemble(layers: Layers, *, network: bool, has_own_user: bool) -> bytes:
    """The filter, as a program for `bpf.restrict`.

    `network`: TCP sockets may be made, and whoever holds the listener is asked for each connection. `has_own_user`:
    calls are of another user than the service.
    """
    denied = DENIED | (SERVING if network else {"socket": SOCKET}) | _denied_without(layers, has_own_user=has_own_user)
    numbers = sorted(number for number in map(bpf.number, denied.values()) if number >= 0)
    may_clone = (bpf.load(0), bpf.jump(bpf.IF_ANY_BIT, NEW_NAMESPACES, skip_if_true=1), *bpf.ALLOW_ELSE_FAIL)
    may_limit = (bpf.load(0), bpf.jump(bpf.IF_EQUAL, 0, skip_if_false=1), *bpf.ALLOW_ELSE_FAIL)
    type_bits = (bpf.load(1), bpf.keep_bits(TYPE_BITS))
    may_pair = (*type_bits, bpf.jump(bpf.IF_EQUAL, STREAM, skip_if_false=1), *bpf.ALLOW_ELSE_FAIL)
    return bpf.program(
        *(bpf.when(number, bpf.fail(errno.EPERM)) for number in numbers),
        bpf.when(bpf.number(CLONE3), bpf.fail(errno.ENOSYS)),
        bpf.when(bpf.number(PRLIMIT), *may_limit),
        bpf.when(bpf.number(CLONE), *may_clone),
        bpf.when(bpf.number(SOCKETPAIR), *may_pair),
        *(() if "pid" in layers.namespaces else _owners()),
        *(() if "mount" in layers.namespaces or layers.landlock >= TRUNCATION_SINCE else _truncation()),
        *(_network() if network else ()),
    )


def _owners() -> Iterator[bytes]:
    """Signals of a descriptor go to nobody: others of the same user could be killed with them."""
    for call, (one, other) in SET_OWNER.items():
        jumps = (bpf.jump(bpf.IF_EQUAL, one, skip_if_true=2), bpf.jump(bpf.IF_EQUAL, other, skip_if_true=1))
        yield bpf.when(bpf.number(call), bpf.load(1), *jumps, *bpf.ALLOW_ELSE_FAIL)


def _truncation() -> Iterator[bytes]:
    """Files are emptied only by who may write to them, which Landlock knows: by descriptor, or opened to write."""
    yield bpf.when(bpf.number(TRUNCATE), bpf.fail(errno.EPERM))
    yield bpf.when(bpf.number(OPENAT2), bpf.fail(errno.ENOSYS))
    for call, position in OPENS.items():
        if bpf.number(call) >= 0:
            flags = (bpf.load(position), bpf.keep_bits(HOW | EMPTY), bpf.jump(bpf.IF_EQUAL, EMPTY, skip_if_true=1))
            yield bpf.when(bpf.number(call), *flags, *bpf.ALLOW_ELSE_FAIL)


def _network() -> Iterator[bytes]:
    """Sockets for TCP alone, which connect with connect(2) and in no other way."""
    yield bpf.when(
        bpf.number(SOCKET),
        bpf.load(0),
        bpf.jump(bpf.IF_EQUAL, FAMILIES[0], skip_if_true=1),
        bpf.jump(bpf.IF_EQUAL, FAMILIES[1], skip_if_false=7),
        bpf.load(1),
        bpf.keep_bits(TYPE_BITS),
        bpf.jump(bpf.IF_EQUAL, STREAM, skip_if_false=4),
        bpf.load(2),
        bpf.jump(bpf.IF_EQUAL, PROTOCOLS[0], skip_if_true=1),
        bpf.jump(bpf.IF_EQUAL, PROTOCOLS[1], skip_if_false=1),
        *bpf.ALLOW_ELSE_FAIL,
    )
    yield bpf.when(bpf.number(CONNECT), bpf.ASK)
    for call, position in WITH_FLAGS.items():
        flags = (bpf.load(position), bpf.jump(bpf.IF_ANY_BIT, FAST_OPEN, skip_if_true=1))
        yield bpf.when(bpf.number(call), *flags, *bpf.ALLOW_ELSE_FAIL)


def _denied_without(layers: Layers, *, has_own_user: bool) -> dict[str, tuple[int, int]]:
    """What is denied for lack of other layers."""
    denied: dict[str, tuple[int, int]] = {}
    if "mount" not in layers.namespaces and not has_own_user:
        denied |= OF_FILES
    if "pid" not in layers.namespaces:
        denied |= AMONG_OTHERS | ({} if layers.landlock >= SIGNALS_SINCE else SIGNALS)
    return denied
