"""The limits that the kernel keeps for each process; the supervisor keeps those of the whole tree."""

import math
import resource

from .job import Job

FILES = 256
HEADROOM = 1024
"""MiB of address space over the memory limit: an interpreter, and the stacks and arenas that threads only reserve."""
STACK = 64 * 2**20


def limit(job: Job, *, alone: bool) -> None:
    """Sets them for this process and all that it starts. `alone`: nobody else counts under this uid."""
    cpu = math.ceil(job.seconds) + 1
    for what, most in (
        # 1 and not 0: it also keeps the kernel from piping a dump to the host's crash handler.
        (resource.RLIMIT_CORE, 1),
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_AS, (job.memory + HEADROOM) * 2**20),
        (resource.RLIMIT_FSIZE, job.disk * 2**20),
        (resource.RLIMIT_NOFILE, FILES),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_STACK, STACK),
    ):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        # A program may ask for more stack, as those of contests do; its address space has an end anyhow.
        resource.setrlimit(what, (most, hard if what == resource.RLIMIT_STACK else most))
    if alone:
        resource.setrlimit(resource.RLIMIT_NPROC, (job.processes, job.processes))
