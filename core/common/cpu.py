"""How many processes may read pictures: by the cores that this process may really use."""

import math
import os

_RESERVE = 1.25


def usable_cores() -> int:
    """Return the cores this process may run on.

    Not os.cpu_count(): under Slurm or in a container a process may have few of the cores.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def uses_workers(workers: int | str) -> bool:
    """Whether other processes will read pictures, by the configuration's `data.workers`."""
    return usable_cores() > 1 if workers == "auto" else int(workers) > 0


def workers_needed(reading: float, network: float, cores: int, shared: bool) -> int:
    """Return how many processes must read pictures so that the network need not wait for them.

    `reading` and `network` are the seconds that a picture takes in one process and in the network;
    with `shared` the network computes on all of the same `cores`, and work is divided as it takes.
    """
    if cores == 1:
        return 0
    if shared:
        return max(1, math.ceil(cores * reading / (reading + cores * network)))
    return max(1, min(cores - 1, math.ceil(_RESERVE * reading / network)))
