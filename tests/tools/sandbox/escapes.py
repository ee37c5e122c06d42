"""What a hostile tool tries, as sources, and the errors that it may meet.

`{...}` in a body stands for something outside: see `Outside`.
"""

import errno
from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import indent


@dataclass(frozen=True)
class Attempt:
    """A body that works outside a sandbox, and the error numbers that mean it was kept from it."""

    name: str
    body: str
    refusals: tuple[int, ...]


GONE_OR_CLOSED = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EXDEV)
NO_SUCH_PROCESS = (errno.ESRCH, errno.EPERM, errno.ENOENT, errno.EACCES, errno.EINVAL)  # the last: there is no root
NOT_PERMITTED = (errno.EPERM,)
NO_NETWORK = (errno.EPERM, errno.ENETUNREACH)


def source_of(attempt: Attempt, outside: Mapping[str, object]) -> str:
    """A tool that tries, and returns "escaped" or the number of the error; `call` makes a system call."""
    body = attempt.body
    for name, value in outside.items():
        body = body.replace(f"{{{name}}}", str(value))
    return f"""
import ctypes, fcntl, os, signal, socket, struct, subprocess, sys

def call(number, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]) < 0:
        raise OSError(ctypes.get_errno(), "refused")

def attempt():
{indent(body, "    ")}

def probe():
    try:
        attempt()
    except OSError as exc:
        return exc.errno
    return "escaped"
"""


def _attempts(refusals: tuple[int, ...], bodies: dict[str, str]) -> list[Attempt]:
    return [Attempt(name, body, refusals) for name, body in bodies.items()]


FILES = _attempts(
    GONE_OR_CLOSED,
    {
        "read passwords": "open('/etc/shadow').read()",
        "read users": "open('/etc/passwd').read()",
        "list root's home": "os.listdir('/root')",
        "read the server's code": "open('{code}').read()",
        "read a file of the server": "open('{secret}').read()",
        "read it through a symlink": "os.symlink('{secret}', 'link'); open('link').read()",
        "read it through a hard link": "os.link('{secret}', 'link'); open('link').read()",
        "read it through a parent": "open('../../../../../..{secret}').read()",
        "read it through /proc": "open('/proc/self/root{secret}').read()",
        "read it through the first process": "open('/proc/1/root{secret}').read()",
        "read it in another program": "if subprocess.run(['cat', '{secret}']).returncode: raise OSError(1, '')",
        "list temporary files": "os.listdir('/tmp')",
        "write a temporary file": "open('/tmp/escaped', 'w')",
        "write to shared memory": "open('/dev/shm/escaped', 'w')",
        "write beside its folder": "open('../escaped', 'w')",
        "write to a file of the server": "open('{secret}', 'a')",
        "truncate a file of the server": "os.truncate('{secret}', 0)",
        "open a file of the server to all": "os.chmod('{secret}', 0o777)",
        "change when a file of the server was written": "os.utime('{secret}', (1, 1))",
        "mark a file of the server": "os.setxattr('{secret}', 'user.mark', b'1')",
        "open the interpreter to all": "os.fchmod(os.open(os.__file__, os.O_RDONLY), 0o777)",
        "change the interpreter": "open(os.__file__, 'a')",
        "empty the interpreter": "os.truncate(os.__file__, 0)",
        "empty a file of the server as it is read": "os.open('{secret}', os.O_RDONLY | os.O_TRUNC)",
        "change a package": "import pydantic; open(pydantic.__file__, 'a')",
        "add to the programs": "open('/usr/bin/escaped', 'w')",
        "read memory of the machine": "open('/dev/mem', 'rb').read(1)",
        "read the kernel's messages": "open('/dev/kmsg').read(1)",
        "make a device": "os.mknod('disk', 0o60600, os.makedev(254, 0)); open('disk', 'rb').read(1)",
        "change a setting of the kernel": "open('/proc/sys/kernel/hostname', 'w').write('escaped')",
        "restart the machine through /proc": "open('/proc/sysrq-trigger', 'w').write('b')",
        "read control groups": "os.listdir('/sys/fs/cgroup')",
    },
)
PROCESSES = _attempts(
    NO_SUCH_PROCESS,
    {
        "kill the server": "os.kill({pid}, 9)",
        "kill what it is forked from": "os.kill({zygote}, 9)",
        "stop its keeper": "os.kill(os.getppid(), signal.SIGSTOP); open(f'/proc/{os.getppid()}/mem', 'rb').read(1)",
        "read the server's environment": "open('/proc/{pid}/environ').read()",
        "read its keeper's environment": "open(f'/proc/{os.getppid()}/environ').read()",
        "read its keeper's memory": "open(f'/proc/{os.getppid()}/mem', 'rb').read(1)",
        "read its keeper's descriptors": "os.listdir(f'/proc/{os.getppid()}/fd')",
        "read the memory of other calls": (
            "found = [int(one) for one in os.listdir('/proc') if one.isdigit()]\n"
            "for pid in {*found, *range(2, 64)} - {os.getpid()}:\n"
            "    try: return open(f'/proc/{pid}/mem', 'rb').read(1)\n"
            "    except OSError: pass\n"
            "raise OSError(1, 'none')"
        ),
        "hold the server": "os.pidfd_open({pid}); call({ptrace}, 16, {pid}, 0, 0)",
        "become root": "os.setuid(0)",
        "run first": "os.setpriority(os.PRIO_PROCESS, 0, -20)",
        "run in real time": "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))",
        "have the server signalled by a pipe": "fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, {pid})",
        "have the server signalled by a socket": "fcntl.ioctl(socket.socketpair()[0], 0x8901, struct.pack('i', {pid}))",
        "limit the server": "import resource; resource.prlimit({pid}, resource.RLIMIT_NOFILE, (9, 9))",
    },
)
KERNEL = _attempts(
    NOT_PERMITTED,
    {
        "trace its keeper": "call({ptrace}, 16, os.getppid(), 0, 0)",
        "read the memory of others": "call({process_vm_readv}, os.getppid(), 0, 0, 0, 0, 0)",
        "write the memory of others": "call({process_vm_writev}, os.getppid(), 0, 0, 0, 0, 0)",
        "take a descriptor of its keeper": "call({pidfd_getfd}, os.pidfd_open(os.getppid()), 0, 0)",
        "mount": "call({mount}, b'none', b'.', b'tmpfs', 0, 0)",
        "unmount": "call({umount2}, b'/proc', 2)",
        "mount the new way": "call({fsopen}, b'tmpfs', 0)",
        "change its root": "os.chroot('.')",
        "make a user namespace": "call({unshare}, 0x10000000)",
        "fork into a user namespace": "call({clone}, 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)",
        "enter a namespace": "call({setns}, os.open('/dev/null', os.O_RDONLY), 0)",
        "open by handle": "call({open_by_handle_at}, -100, 0, 0)",
        "use a key ring": "call({keyctl}, 0, 0, 0)",
        "load a BPF program": "call({bpf}, 0, 0, 0)",
        "watch performance events": "call({perf_event_open}, 0, 0, -1, -1, 0)",
        "handle page faults": "call({userfaultfd}, 0)",
        "queue calls with io_uring": "call({io_uring_setup}, 1, 0)",
        "load a module": "call({init_module}, 0, 0, b'')",
        "load a kernel": "call({kexec_load}, 0, 0, 0, 0)",
        "restart the machine": "call({reboot}, 0xFEE1DEAD, 672274793, 0, 0)",
        "set the clock": "call({clock_settime}, 0, 0)",
        "rename the machine": "socket.sethostname('escaped')",
        "read the kernel's log": "call({syslog}, 2, 0, 0)",
        "hide memory": "os.memfd_create('hidden')",
        "queue reads and writes": "call({io_setup}, 1, ctypes.byref(ctypes.c_ulong()))",
        "share memory beyond the call": "call({shmget}, 0, 4096, 0o1600)",
        "turn randomisation off": "call({personality}, 0x0040000)",
    },
)
NETWORK = _attempts(
    NO_NETWORK,
    {
        "listen": "socket.create_server(('127.0.0.1', 0))",
        "connect with TCP": "socket.create_connection(('127.0.0.1', {port}), 1)",
        "send with UDP": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {port}))",
        "connect with IPv6": "socket.socket(socket.AF_INET6).connect(('::1', {port}))",
        "connect to a Unix socket": "socket.socket(socket.AF_UNIX).connect('{socket}')",
        "send to a Unix socket through a pair": (
            "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b'x', '{socket}')"
        ),
        "listen on an abstract socket": "socket.socket(socket.AF_UNIX).bind('\\0escaped')",
        "ask the cloud's metadata": "socket.create_connection(('169.254.169.254', 80), 1)",
        "send raw packets": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
        "watch packets": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
        "talk to the kernel's network": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "talk to virtual machines": "socket.socket(40, socket.SOCK_STREAM)",
        "ask for a name": (
            "try: socket.getaddrinfo('example.com', 80)\n"
            "except socket.gaierror: raise OSError(1, 'no answer')"
        ),
        "connect from another program": (
            "done = subprocess.run(['bash', '-c', 'echo x > /dev/tcp/127.0.0.1/{port}'])\n"
            "if done.returncode: raise OSError(1, 'no connection')"
        ),
    },
)  # fmt: skip
# For tools that have the network. The first of these need an answer of the server, which refuses.
NOT_THERE = (errno.EACCES, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EAFNOSUPPORT)
CONNECTIONS = _attempts(
    NOT_THERE,
    {
        "connect to loopback": "socket.create_connection(('127.0.0.1', {port}), 1)",
        "connect to loopback by another address": "socket.create_connection(('127.1.2.3', {port}), 1)",
        "connect to loopback by no address": "socket.create_connection(('0.0.0.0', {port}), 1)",
        "connect to loopback by name": "socket.create_connection(('localhost', {port}), 1)",
        "connect to loopback with IPv6": "socket.create_connection(('::1', {port}), 1)",
        "connect to loopback through IPv6": "socket.create_connection(('::ffff:127.0.0.1', {port}), 1)",
        "connect without waiting": "s = socket.socket()\ns.setblocking(False)\ns.connect(('127.0.0.1', {port}))",
        "connect from another thread": (
            "import concurrent.futures as f\n"
            "f.ThreadPoolExecutor().submit(socket.create_connection, ('127.0.0.1', {port}), 1).result()"
        ),
        "connect when data is sent": (
            "s = socket.socket()\ns.setsockopt(socket.IPPROTO_TCP, 30, 1)\ns.connect(('127.0.0.1', {port}))"
        ),
        "connect to an address of the machine": "socket.create_connection(('{own}', {port}), 1)",
        "ask the cloud's metadata": "socket.create_connection(('169.254.169.254', 80), 1)",
        "ask the cloud's metadata with IPv6": "socket.create_connection(('fd00:ec2::254', 80), 1)",
        "connect to a private network": "socket.create_connection(('10.0.0.1', 80), 1)",
        "connect to another private network": "socket.create_connection(('192.168.0.1', 80), 1)",
        "connect to a private network through IPv6": "socket.create_connection(('64:ff9b::a00:1', 80), 1)",
        "connect to a group": "socket.create_connection(('224.0.0.1', 80), 1)",
        "connect to a Unix socket through a pair": "socket.socketpair()[0].connect('{socket}')",
        "use an open connection for another": (
            "s = socket.create_connection(('127.0.0.1', {allowed}), 1)\n"
            "try: call({connect}, s.fileno(), bytes(16), 16)\n"
            "except OSError: pass\n"
            "s.connect(('127.0.0.1', {port}))"
        ),
        "change the address while it is checked": (
            "import threading\n"
            "def address(port): return struct.pack('=H', 2) + struct.pack('!H4B8x', port, 127, 0, 0, 1)\n"
            "buffer = ctypes.create_string_buffer(address({allowed}), 16)\n"
            "done = []\n"
            "def change():\n"
            "    while not done:\n"
            "        buffer[0:16] = address({port})\n"
            "        buffer[0:16] = address({allowed})\n"
            "threading.Thread(target=change).start()\n"
            "try:\n"
            "    for _ in range(30):\n"
            "        with socket.socket() as s:\n"
            "            try: call({connect}, s.fileno(), buffer, 16)\n"
            "            except OSError: continue\n"
            "            if s.getpeername()[1] == {port}: return\n"
            "finally: done.append(1)\n"
            "raise OSError(13, 'never')"
        ),
    },
) + _attempts(
    NOT_PERMITTED,
    {
        "send with UDP": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        "speak SCTP": "socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)",
        "speak multipath TCP": "socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)",
        "send raw packets": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 6)",
        "watch packets": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
        "talk to the kernel's network": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "talk to virtual machines": "socket.socket(40, socket.SOCK_STREAM)",
        "connect to a Unix socket": "socket.socket(socket.AF_UNIX).connect('{socket}')",
        "send to a Unix socket through a pair": (
            "socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b'x', '{socket}')"
        ),
        "connect to an abstract socket": "socket.socket(socket.AF_UNIX).connect('\\0server')",
        "listen": "socket.socket().listen()",
        "take a port": "socket.socket().bind(('127.0.0.1', 0))",
        "connect by sending": "socket.socket().sendto(b'x', 0x20000000, ('127.0.0.1', {port}))",
        "connect by sending in pieces": "socket.socket().sendmsg([b'x'], [], 0x20000000, ('127.0.0.1', {port}))",
        "connect from another program": (
            "done = subprocess.run(['bash', '-c', 'echo x > /dev/tcp/127.0.0.1/{port}'])\n"
            "if done.returncode: raise OSError(1, 'no connection')"
        ),
        "find what connects for it": (
            "for fd in range(3, 256):\n"
            "    try: link = os.readlink(f'/proc/self/fd/{fd}')\n"
            "    except OSError: continue\n"
            "    if 'socket' in link or 'seccomp' in link: return\n"
            "raise OSError(1, 'nothing')"
        ),
    },
)  # fmt: skip
