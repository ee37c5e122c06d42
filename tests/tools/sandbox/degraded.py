"""Runs tools on a machine whose kernel refuses parts of the sandbox: a program of its own, as refusals are for good.

Its argument is JSON: `refused` names of `REFUSALS`, `allowed` whether too few layers are enough, `port` that tools may
connect to (0: they do not have the network), `sources` of tools. It prints JSON: `layers`, and `endings`, each
["returned" or "failed", text].
"""

import asyncio
import errno
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from services.tools.sandbox.inside import bpf, kernel, seccomp
from services.tools.sandbox.job import Job, Limits, Printed, Returned
from services.tools.sandbox.network import Reachable
from services.tools.sandbox.sandbox import Sandbox, SandboxOptions
from services.tools.sandbox.zygote import CannotStart

CREATE_RULESET = (444, 444)
PRCTL = (157, 167)
FIRST_IS_PR_GET_SECCOMP = (bpf.load(0), bpf.jump(bpf.IF_EQUAL, kernel.PR_GET_SECCOMP, skip_if_false=1))

# What a kernel answers that does not have a part, or a runtime of containers that does not let it through.
REFUSALS = {
    "landlock": [bpf.when(bpf.number(CREATE_RULESET), bpf.fail(errno.ENOSYS))],
    "namespaces": [bpf.when(bpf.number(seccomp.DENIED["unshare"]), bpf.fail(errno.EPERM))],
    "mounts": [bpf.when(bpf.number(seccomp.DENIED["mount"]), bpf.fail(errno.EPERM))],
    "seccomp": [bpf.when(bpf.number(PRCTL), *FIRST_IS_PR_GET_SECCOMP, bpf.fail(errno.EINVAL), bpf.ALLOW)],
}
LIMITS = Limits(timeout_s=60.0, memory_bytes=256 * 2**20, file_bytes=2**20, folder_bytes=4 * 2**20, output_chars=1000)


def show_interpreter() -> None:
    """Makes the interpreter readable for user nobody, for us alone, if it is in a folder of root's."""
    closed = [one for one in Path(sys.base_prefix).parents if not one.stat().st_mode & 1]
    if os.getuid() != 0 or not closed:
        return
    kernel.unshare(0x00020000)
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    kept = tempfile.mkdtemp()
    kernel.mount(sys.base_prefix, kept, flags=kernel.MS_BIND)
    kernel.mount("none", str(closed[-1]), kind="tmpfs", options="mode=755")
    Path(sys.base_prefix).mkdir(parents=True)
    kernel.mount(kept, sys.base_prefix, flags=kernel.MS_BIND)
    kernel.checked(kernel.LIBC.umount2(kept.encode(), kernel.MNT_DETACH))
    os.rmdir(kept)


async def run_all(sources: list[str], *, allowed: bool, port: int) -> dict[str, Any]:
    reachable = Reachable(services=frozenset([("127.0.0.1", port)]))
    sandbox = Sandbox(LIMITS, SandboxOptions(allows_too_few_layers=allowed, reachable=reachable))
    try:
        layers = (await sandbox.start()).names
        return {"layers": layers, "endings": [await ending_of(sandbox, source, network=port > 0) for source in sources]}
    except CannotStart as exc:
        return {"layers": [], "endings": [["failed", str(exc)]]}
    finally:
        await sandbox.close()


async def ending_of(sandbox: Sandbox, source: str, *, network: bool) -> tuple[str, str]:
    events = [event async for event in sandbox.run(Job(source=source, arguments={}, network=network))]
    ended = events[-1]
    assert not isinstance(ended, Printed)
    return ("returned", ended.value) if isinstance(ended, Returned) else ("failed", ended.error)


def main() -> None:
    asked = json.loads(sys.argv[1])
    show_interpreter()
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    bpf.restrict(bpf.program(*(rule for name in asked["refused"] for rule in REFUSALS[name])))
    print(json.dumps(asyncio.run(run_all(asked["sources"], allowed=asked["allowed"], port=asked["port"]))))


if __name__ == "__main__":
    main()
