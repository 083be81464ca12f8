"""Rendezvous of the ranks of a torchrun job, which a stop of rank 0 ends. Imports torch."""

import os
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch.distributed as dist

from core.distributed.process_group import JoinCanceled
from core.distributed.torchrun_env import OWN_STORES, Job

_POLL_SECONDS = 0.1
_GRACE_SECONDS = 5.0
"""How long rank 0 waits for the others after a stop: they start at the same time."""
_CONNECT_SECONDS = 300.0
_AGENT_STORE = "TORCHELASTIC_USE_AGENT_STORE"
"""Variable of torchrun: whether the agent hosts the store of the ranks."""
_BEGIN, _CANCELED = "begin", "canceled"


def meet(
    job: Job,
    timeout: timedelta,
    stop_requested: Callable[[], bool],
    on_arrival: Callable[[], None],
) -> Any:
    """Return the store that holds the addresses of the ranks, once all ranks have arrived.

    `on_arrival` is called before this rank tells the others that it has arrived. Raises
    JoinCanceled if rank 0 was stopped and a rank is missing, which the same signal may have ended;
    errors of torch on a timeout or a lost store.
    """
    deadline = time.monotonic() + timeout.total_seconds()
    store = _store(job, timeout)
    on_arrival()
    store.set(_arrived(job.rank), "")
    if not job.is_main:
        _wait_for_rank_0(store, deadline)
        return store
    others = [_arrived(rank) for rank in range(1, job.size)]
    patience = _GRACE_SECONDS
    while not store.check(others):
        _wait(deadline, "not all ranks have started")
        if stop_requested():
            patience -= _POLL_SECONDS
        if patience <= 0:
            store.set(_CANCELED, "")
            raise JoinCanceled
    store.set(_BEGIN, "")
    return store


def _arrived(rank: int) -> str:
    return f"arrived-{rank}"


def _wait_for_rank_0(store: Any, deadline: float) -> None:
    while not store.check([_BEGIN]):
        if store.check([_CANCELED]):
            raise JoinCanceled
        _wait(deadline, "rank 0 has not started")


def _wait(deadline: float, problem: str) -> None:
    if time.monotonic() > deadline:
        raise RuntimeError(problem)
    time.sleep(_POLL_SECONDS)


def _store(job: Job, timeout: timedelta) -> Any:
    """Return a store at the address that the agent has chosen, without waiting for other ranks."""
    store: Any = dist.TCPStore(  # type: ignore[attr-defined]
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        world_size=job.size,
        is_master=job.is_main and os.environ.get(_AGENT_STORE) != str(True),
        timeout=timedelta(seconds=_CONNECT_SECONDS),
        wait_for_workers=False,
        multi_tenant=True,
    )
    store.set_timeout(timeout)
    if job.local_size == job.size and OWN_STORES not in os.environ:
        # The agent's store still holds the addresses of the ranks before a restart. On several
        # machines the agents count restarts differently, so each start needs its own store there.
        return dist.PrefixStore(f"start-{job.restart}", store)  # type: ignore[attr-defined]
    return store
