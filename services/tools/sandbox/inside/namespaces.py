"""Namespaces: a call sees neither other processes nor files, networks and names of the machine. See namespaces(7)."""

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from services.tools.sandbox.inside import kernel

FLAGS = {
    "user": 0x10000000,
    "mount": 0x00020000,
    "pid": 0x20000000,
    "net": 0x40000000,
    "ipc": 0x08000000,
    "uts": 0x04000000,
}
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types")
INTERNET = (  # looking up names, and certificates of authorities
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
)
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
COPIED_BYTES = 262_144  # files that are not longer are copied into the root of calls: each call pays for each mount
HOME = "/home/tool"  # where a call finds its folder, where it has a root of its own


def enter(names: tuple[str, ...]) -> None:
    """Moves to new namespaces, as the same user. That of processes begins with the next fork."""
    if not names:
        return
    user, group = os.getuid(), os.getgid()
    kernel.unshare(sum(FLAGS[name] for name in names))
    if "user" in names:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def fork(own: int | None) -> int:
    """Forks a first process of a new namespace of processes; `own` is a descriptor of the one that we are in.

    None: just forks.
    """
    if own is None:
        return os.fork()
    kernel.unshare(FLAGS["pid"])
    pid = -1
    try:
        pid = os.fork()
    finally:
        if pid != 0:
            kernel.return_to(own, FLAGS["pid"])
    return pid


def readable_paths(packages: Path, others: list[str]) -> list[str]:
    """What calls may read and execute: the system's programs, the interpreter, the packages, and others."""
    own = [sys.base_prefix, f"{sys.prefix}/bin", f"{sys.prefix}/pyvenv.cfg", str(packages)]
    targets = [str(link.resolve()) for link in packages.iterdir()]
    return [path for path in (*SYSTEM, *INTERNET, *DEVICES, *own, *targets, *others) if os.path.exists(path)]


def change_root(new_root: str, readable: list[str]) -> None:
    """Gives this process, in a mount namespace of its own, a root that has just what calls may read."""
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", new_root, kind="tmpfs", flags=kernel.MS_NOSUID | kernel.MS_NODEV, options="mode=755,size=8m")
    for path in readable:
        _place(path, new_root + path)
    os.makedirs(new_root + HOME)
    os.makedirs(f"{new_root}/proc")
    kernel.make_read_only(new_root)
    # To enter namespaces; calls lose it.
    kernel.mount("/proc", f"{new_root}/proc", flags=kernel.MS_BIND | kernel.MS_REC)
    kernel.change_root(new_root)


def _place(path: str, target: str) -> None:
    if os.path.lexists(target):  # within what is there already
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.islink(path) and os.path.isdir(path):
        os.symlink(os.readlink(path), target)
        return
    if os.path.isfile(path) and os.path.getsize(path) <= COPIED_BYTES:
        shutil.copyfile(path, target)
        return
    if os.path.isdir(path):
        os.mkdir(target)
    else:
        Path(target).touch()
    kernel.mount(path, target, flags=kernel.MS_BIND | kernel.MS_REC)


def mount_own_files(folder_bytes: int) -> None:
    """Mounts the folder of a call, which is gone with its last process, and a /proc with its processes alone."""
    kernel.unshare(FLAGS["mount"])
    guarded = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("tmpfs", HOME, kind="tmpfs", flags=guarded, options=f"mode=700,size={folder_bytes},nr_inodes=16k")
    kernel.mount("tmpfs", "/proc", kind="tmpfs", flags=guarded | kernel.MS_RDONLY)
    with suppress(OSError):  # inside some containers the kernel refuses; then /proc stays empty
        flags = guarded | kernel.MS_NOEXEC | kernel.MS_RDONLY
        kernel.mount("proc", "/proc", kind="proc", flags=flags, options="subset=pid")
