"""How many processes may read pictures: by the cores that this process may really use."""

import os


def usable_cores() -> int:
    """Return the cores this process may run on.

    Not os.cpu_count(): under Slurm or in a container a process may have few of the cores.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def resolve_workers(workers: int | str) -> int:
    """Return the number of loader processes; `auto` takes one a usable core, at most 8."""
    if workers != "auto":
        return int(workers)
    cores = usable_cores()
    return 0 if cores == 1 else min(8, cores)
