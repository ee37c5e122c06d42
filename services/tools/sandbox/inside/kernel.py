"""System calls that Python's library does not have. All raise OSError."""

import ctypes
import os

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_GET_SECCOMP = 21
PR_SET_NO_NEW_PRIVS = 38

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

MOUNT_SETATTR = 442  # the number is the same on every architecture, as with all system calls since 2019
AT_FDCWD = -100
AT_RECURSIVE = 0x8000
CAPABILITY_VERSION = 0x20080522

M_ARENA_MAX = -8

LIBC = ctypes.CDLL(None, use_errno=True)


def checked(result: int) -> int:
    """The result of a function of libc."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def syscall(number: int, *arguments: int | ctypes.Array[ctypes.c_char] | None) -> int:
    """A system call that libc has no function for; numbers go as 64 bits."""
    wide = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return checked(LIBC.syscall(ctypes.c_long(number), *wide))


def prctl(option: int, *arguments: int) -> int:
    """See prctl(2)."""
    wide = [ctypes.c_ulong(one) for one in (*arguments, 0, 0, 0, 0)[:4]]
    return checked(LIBC.prctl(option, *wide))


def unshare(flags: int) -> None:
    """Moves this process to new namespaces: see unshare(2)."""
    checked(LIBC.unshare(flags))


def return_to(namespace: int, flag: int) -> None:
    """Moves this process to a namespace, by its descriptor: see setns(2)."""
    checked(LIBC.setns(namespace, flag))


def mount(source: str, target: str, *, kind: str = "", flags: int = 0, options: str = "") -> None:
    """See mount(2)."""
    texts = [text.encode() or None for text in (source, target, kind)]
    checked(LIBC.mount(*texts, ctypes.c_ulong(flags), options.encode() or None))


def make_read_only(path: str) -> None:
    """Makes a mount and all below it read-only, and deaf to set-user-id bits."""
    attributes = b"".join(value.to_bytes(8, "little") for value in (MS_RDONLY | MS_NOSUID, 0, 0, 0))
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    syscall(MOUNT_SETATTR, AT_FDCWD, ctypes.create_string_buffer(path.encode()), AT_RECURSIVE, buffer, len(attributes))


def change_root(path: str) -> None:
    """Makes a mount the root, and lets the old root go."""
    os.chdir(path)
    checked(LIBC.pivot_root(b".", b"."))
    checked(LIBC.umount2(b".", MNT_DETACH))
    os.chdir("/")


def share_heaps(count: int) -> None:
    """Gives the threads of this process so many heaps together: each reserves 64 MiB of addresses. See mallopt(3)."""
    LIBC.mallopt(M_ARENA_MAX, count)


def drop_capabilities() -> None:
    """Gives up every capability of this process."""
    header = ctypes.create_string_buffer(CAPABILITY_VERSION.to_bytes(4, "little") + bytes(4), 8)
    checked(LIBC.capset(header, ctypes.create_string_buffer(24)))


class _Piece(ctypes.Structure):
    """A piece of memory: struct iovec."""

    _fields_ = (("address", ctypes.c_void_p), ("length", ctypes.c_size_t))


def read_memory(pid: int, address: int, length: int) -> bytes:
    """Memory of another process: see process_vm_readv(2)."""
    buffer = ctypes.create_string_buffer(length)
    ours, theirs = _Piece(ctypes.addressof(buffer), length), _Piece(address, length)
    one, none = ctypes.c_ulong(1), ctypes.c_ulong(0)
    read = checked(LIBC.process_vm_readv(pid, ctypes.byref(ours), one, ctypes.byref(theirs), one, none))
    return buffer.raw[:read]
