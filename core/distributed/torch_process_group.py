"""TorchProcessGroup of torch.distributed that train one run together. Imports torch."""

import gc
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from core.common.errors import SetupError
from core.distributed.process_group import ProcessGroup, RankUnreachable, StepMessage, shard
from core.distributed.torchrun_env import OWN_STORES, Job
from core.events.types import DeviceSample, Event, Warned

T = TypeVar("T")

TIMEOUT_VARIABLE = "CONVNEXT_TUI_TIMEOUT"
"""Environment variable: how many seconds a rank waits for another one in a step."""
_STEP_SECONDS = 600.0
_SETUP_SECONDS = 7200.0
"""Rank 0 may read a million pictures first."""
_IS_WORD, _IS_DUE = 1, 2


class EventOutbox:
    """What a rank other than 0 has to tell: rank 0 fetches it now and then."""

    _FORWARDED = ("unreadable-file", "out-of-memory")

    def __init__(self) -> None:
        # The device is looked at in a thread of its own.
        self._lock = threading.Lock()
        self._waiting: list[Event] = []

    def emit(self, event: Event) -> None:
        """Keep what only this rank knows; all else rank 0 tells itself."""
        with self._lock:
            if isinstance(event, DeviceSample):
                # Only the newest is of interest.
                others = [other for other in self._waiting if not isinstance(other, DeviceSample)]
                self._waiting = [*others, event]
            elif isinstance(event, Warned) and event.code in self._FORWARDED:
                self._waiting.append(event)

    def take(self) -> list[Event]:
        """Return what has come since the last call."""
        with self._lock:
            taken, self._waiting = self._waiting, []
        return taken


class TorchProcessGroup(ProcessGroup):
    """This process as one of several.

    Words and counts go over gloo, from memory to memory: no GPU is waited for. GradientComputer are
    DistributedDataParallel's, over NCCL between GPUs.
    """

    def __init__(self, job: Job, device_type: str) -> None:
        """Join the others: returns when all are there. Raises SetupError when they don't come."""
        self.rank, self.size = job.rank, job.size
        self._is_due = False
        self._waited, self._asked_at = 0.0, time.monotonic()
        self.outbox = EventOutbox()
        seconds = float(os.environ.get(TIMEOUT_VARIABLE, _STEP_SECONDS))
        backend = "cpu:gloo,cuda:nccl" if device_type == "cuda" else "gloo"
        if device_type == "cuda":
            torch.cuda.set_device(job.local_rank)
        with _named_loss():
            limit = timedelta(seconds=_SETUP_SECONDS)
            store = _store(job, limit)
            dist.init_process_group(
                backend, store=store, rank=job.rank, world_size=job.size, timeout=limit
            )
            # NCCL can't say what is wrong when it waits too long, so it waits longer.
            self._gradients: Any = dist.new_group(timeout=timedelta(seconds=2 * seconds))
            self._words: Any = dist.new_group(backend="gloo", timeout=timedelta(seconds=seconds))

    def set_paired_sharding(self, wanted: bool) -> None:
        """Have pictures that are mixed with each other in one share from now on, or not."""
        self.paired_sharding = wanted

    def local_shard(self, items: Sequence[T]) -> list[T]:
        """Return this rank's share of a global batch."""
        return shard(items, self.rank, self.size, self.paired_sharding)

    def sync_step(
        self, message: StepMessage, images: int = 0, is_due: Callable[[], bool] | None = None
    ) -> StepMessage:
        """Come together by one small collective; a second one carries a message, if there is one."""
        leads = self.is_main
        has_word = leads and (message.command is not None or message.problem is not None)
        due = leads and is_due is not None and is_due()
        code = _IS_WORD * has_word + _IS_DUE * due
        figures = torch.tensor([code, images, 1 if message.failure else 0])
        began = time.monotonic()
        with _named_loss():
            dist.all_reduce(figures, group=self._words)
        self._waited += time.monotonic() - began
        code, self.step_images, failures = figures.tolist()
        self._is_due = bool(code & _IS_DUE)
        if failures:
            return StepMessage(
                failure="; ".join(filter(None, self.gather(self._named(message.failure))))
            )
        return self._from_rank_0(message, self._words) if code & _IS_WORD else StepMessage()

    def is_due(self, asks: Callable[[], bool]) -> bool:
        """Whether rank 0 found it due when the ranks last met."""
        return self._is_due

    def broadcast_flag(self, value: bool) -> bool:
        """Return rank 0's value."""
        figure = torch.tensor([int(value and self.is_main)])
        with _named_loss():
            dist.all_reduce(figure, group=self._words)
        return bool(figure.item())

    def broadcast(self, value: T) -> T:
        """Return rank 0's value, a copy; it may take as long as reading all pictures does."""
        return self._from_rank_0(value, None)

    def gather(self, value: T) -> list[T]:
        """Return the values of all ranks, in their order; each a copy."""
        values: list[Any] = [None] * self.size
        with _named_loss():
            dist.all_gather_object(values, value, group=self._words)
        return values

    @contextmanager
    def shared_errors(self) -> Iterator[None]:
        """Let a SetupError of any rank in this block be one of all."""
        own = ""
        try:
            yield
        except SetupError as error:
            own = str(error)
        errors = self.gather(own)
        if own:
            raise SetupError(own)
        for rank, text in enumerate(errors):
            if text:
                raise SetupError(text if rank == 0 else f"rank {rank}: {text}")

    def wrap_ddp(self, net: nn.Module) -> nn.Module:
        """Return the network within DistributedDataParallel, for the parameters that train now."""
        # What an earlier phase had must be gone: its hooks would wait for gradients too.
        gc.collect()
        # Buffers are made the same before they are used (`sync_buffers`): within a step a rank may have
        # no picture, and then none of the others may wait for it.
        return DistributedDataParallel(
            net,
            process_group=self._gradients,
            broadcast_buffers=False,
            gradient_as_bucket_view=True,
        )

    def sync_buffers(self, net: nn.Module) -> None:
        """Give all ranks rank 0's running statistics, which each has of its own share."""
        for module in net.modules():
            if isinstance(module, _BatchNorm):
                for buffer in module.buffers(recurse=False):
                    with _named_loss():
                        dist.broadcast(buffer, src=0, group=self._gradients)

    def all_reduce_sum(self, figures: Tensor) -> Tensor:
        """Return the sum of figures (N,) over all ranks, on their device; waits for no GPU."""
        with _named_loss():
            dist.all_reduce(figures, group=self._gradients)
        return figures

    def gather_events(self) -> list[Event]:
        """Return what the other ranks have to tell; rank 0 alone tells it."""
        events = [event for events in self.gather(self.outbox.take()) for event in events]
        return events if self.is_main else []

    def wait_fraction(self) -> float | None:
        """Return the share of the time since the last call that this rank spent waiting before
        steps: a rank whose pictures come late, or whose CPU is slow, waits least."""
        now = time.monotonic()
        waited, self._waited = self._waited, 0.0
        seconds, self._asked_at = now - self._asked_at, now
        return min(1.0, waited / seconds) if seconds > 0 else None

    def close(self) -> None:
        """Leave. Nobody is waited for."""
        dist.destroy_process_group()

    def _from_rank_0(self, value: T, group: dist.ProcessGroup | None) -> T:
        box: list[Any] = [value if self.is_main else None]
        with _named_loss():
            dist.broadcast_object_list(box, src=0, group=group, device=_CPU)
        return box[0]  # type: ignore[no-any-return]

    def _named(self, failure: str) -> str:
        return f"rank {self.rank} on {socket.gethostname()}: {failure}" if failure else ""


def join(job: Job, device: str) -> TorchProcessGroup:
    """Come together with the other ranks, each on its own `device` (as the configuration has it).
    Raises SetupError where that can't be."""
    device_type = "cuda" if device in ("auto", "cuda") and torch.cuda.is_available() else "cpu"
    if device_type == "cuda" and job.local_rank >= torch.cuda.device_count():
        raise SetupError(
            f"rank {job.rank} is the {job.local_rank + 1}. on {job.host}, which has "
            f"{torch.cuda.device_count()} GPUs: start as many ranks as there are GPUs"
        )
    return TorchProcessGroup(job, device_type)


def _store(job: Job, timeout: timedelta) -> Any:
    """Return the store in which ranks find each other's addresses."""
    store, _, _ = next(
        dist.rendezvous(  # type: ignore[attr-defined]
            "env://", job.rank, job.size, timeout=timeout
        )
    )
    if job.local_size == job.size and OWN_STORES not in os.environ:
        # The agent's store still has the addresses of ranks that are gone. On several machines the
        # agents count otherwise, so there each start needs a store of its own.
        return dist.PrefixStore(f"start-{job.restart}", store)  # type: ignore[attr-defined]
    return store


_CPU = torch.device("cpu")


@contextmanager
def _named_loss() -> Iterator[None]:
    """Name what torch's many errors of a broken connection come to."""
    try:
        yield
    except RuntimeError as error:
        known = " ".join(str(error).split()).partition(". This is typically")[0][:300]
        raise RankUnreachable(
            f"the other ranks can't be reached: a process or a machine is gone, or the network "
            f"hangs ({known})"
        ) from error
