"""Number of loader workers, by the cores that this process may use."""

import math
import os

_SAFETY_FACTOR = 1.25


def usable_cores() -> int:
    """Return the number of cores this process may run on.

    os.cpu_count() would be too high under Slurm or in a container that limits the cores.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def uses_workers(workers: int | str) -> bool:
    """Return whether `data.workers` leads to worker processes."""
    return usable_cores() > 1 if workers == "auto" else int(workers) > 0


def workers_needed(reading: float, network: float, cores: int, shared: bool) -> int:
    """Return the number of workers that load images as fast as the network processes them.

    `reading` and `network` are the times per image (s) in one worker and in the network. With
    `shared`, the network computes on the same `cores` as the workers.
    """
    if cores == 1:
        return 0
    if shared:
        return max(1, math.ceil(cores * reading / (reading + cores * network)))
    return max(1, min(cores - 1, math.ceil(_SAFETY_FACTOR * reading / network)))
