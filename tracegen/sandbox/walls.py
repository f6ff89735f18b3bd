"""Which walls are up, asked of a program of ours that runs into them where the others will.

Nothing here is taken from what we told the kernel to do. What takes longer to find out, such as whether a bomb of
memory is noticed, is the self-test's.
"""

import errno
import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from tracegen.records import TracegenError
from tracegen.sandbox.inside.namespaces import INODES
from tracegen.sandbox.limits import Ended, Limits

NAMESPACES = ("mnt", "pid", "net", "ipc", "uts", "user")
LIMITS = Limits(processes=8, memory=256, disk=16)

LOOK = (
    f"NAMESPACES, ENOUGH = {NAMESPACES}, {LIMITS.processes + 4}"
    + """
import ctypes, json, os, resource, signal
libc = ctypes.CDLL(None, use_errno=True)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))

def refused(action, *arguments):
    try:
        action(*arguments)
    except OSError as error:
        return error.errno
    return 0

def call(name, *arguments):
    libc[name](*arguments)
    return ctypes.get_errno()

def forks():
    children = []
    while len(children) < ENOUGH:
        try:
            children.append(os.fork())
        except OSError:
            break
        if not children[-1]:
            signal.pause()
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return len(children)

print(json.dumps({
    "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit()),
    "forks": forks(),
    "namespaces": {name: os.readlink("/proc/self/ns/" + name) for name in NAMESPACES},
    "interfaces": [line.split(":")[0].strip() for line in list(open("/proc/self/net/dev"))[2:]],
    "environment": [*os.environ, *(v.partition("=")[0] for v in open("/proc/self/environ").read().split(chr(0)) if v)],
    "writes": [refused(open, path, "w") for path in ("/x", "/usr/lib/x", os.__file__, "/dev/x")],
    "folders": [os.statvfs(path).f_blocks * os.statvfs(path).f_frsize for path in ("/tmp", "/dev/shm")],
    "files": [os.statvfs(path).f_files for path in ("/tmp", "/dev/shm")],
    "ids": [*os.getresuid(), *os.getresgid()],
    "capabilities": [status["Cap" + name] for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")],
    "privileges": status["NoNewPrivs"],
    "filter": status["Seccomp"],
    "socket": call("socket", 2, 1, 0),
    "unshare": call("unshare", 0x10000000),
    "listing": refused(os.listdir, "/"),
    "limits": {name: resource.getrlimit(getattr(resource, "RLIMIT_" + name))[1] for name in ("AS", "CORE", "CPU")},
}))
"""
)


def look(run: Callable[[str, Limits], Ended]) -> dict[str, bool]:
    """The walls by name, as a program finds them; TracegenError if it cannot even run."""
    ended = run(LOOK, LIMITS)
    if ended.status != "exited" or ended.code != 0:
        said = ended.detail or ended.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise TracegenError(f"a program of ours in the sandbox ended ({ended.status}, {ended.code}): {said}")
    return judged(json.loads(ended.stdout))


def judged(seen: Mapping[str, Any]) -> dict[str, bool]:
    """What the program saw, as walls that are up or not."""
    ours = {name: os.readlink(f"/proc/self/ns/{name}") for name in NAMESPACES}
    own = {name: seen["namespaces"][name] != ours[name] for name in NAMESPACES}
    refusals = {errno.EROFS, errno.EACCES, errno.EPERM}
    return {
        "own processes": own["pid"] and len(seen["processes"]) <= 2,
        "own user namespace": own["user"],
        "own ipc and host name": own["ipc"] and own["uts"],
        "no network": own["net"] and seen["interfaces"] in ([], ["lo"]) and seen["socket"] in refusals,
        "read-only root": own["mnt"] and set(seen["writes"]) <= refusals,
        "sized /tmp and /dev/shm": all(size <= LIMITS.disk * 2**20 for size in seen["folders"])
        and all(0 < files <= INODES for files in seen["files"]),
        "empty environment": set(seen["environment"]) <= {"PYTHONHASHSEED", "PWD"},
        "unprivileged uid": 0 not in seen["ids"],
        "no capabilities": all(int(mask, 16) == 0 for mask in seen["capabilities"]),
        "no new privileges": int(seen["privileges"]) == 1,
        "no further user namespaces": seen["unshare"] in refusals,
        "system call filter": int(seen["filter"]) == 2,
        "landlock": seen["listing"] == errno.EACCES,
        "limit on processes": seen["forks"] < LIMITS.processes,
        "limits on memory, cpu and core dumps": all(limit >= 0 for limit in seen["limits"].values())
        and seen["limits"]["CORE"] <= 1,
    }
