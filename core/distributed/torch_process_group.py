"""Process group on torch.distributed, for several ranks that train one run. Imports torch."""

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

from core.common import format as fmt
from core.common.errors import SetupError, reason_of
from core.distributed.process_group import ProcessGroup, RankUnreachable, StepMessage, shard
from core.distributed.rendezvous import meet
from core.distributed.torchrun_env import Job
from core.events.types import DeviceSample, Event, Warned

T = TypeVar("T")

TIMEOUT_VARIABLE = "CONVNEXT_TUI_TIMEOUT"
"""Environment variable: seconds that a rank waits for another one within a step."""
_STEP_SECONDS = 600.0
_SETUP_SECONDS = 7200.0
"""Long, because rank 0 may scan a million images first."""
_HAS_MESSAGE, _IS_DUE = 1, 2


class EventOutbox:
    """Buffer for the events of a rank other than 0, until rank 0 gathers them."""

    _FORWARDED = ("unreadable-file", "out-of-memory")

    def __init__(self) -> None:
        # The device monitor emits from its own thread.
        self._lock = threading.Lock()
        self._waiting: list[Event] = []

    def emit(self, event: Event) -> None:
        """Buffer events that only this rank knows of; rank 0 emits all others itself."""
        with self._lock:
            if isinstance(event, DeviceSample):
                # Only the newest one matters.
                others = [other for other in self._waiting if not isinstance(other, DeviceSample)]
                self._waiting = [*others, event]
            elif isinstance(event, Warned) and event.code in self._FORWARDED:
                self._waiting.append(event)

    def take(self) -> list[Event]:
        """Return the events since the last call."""
        with self._lock:
            taken, self._waiting = self._waiting, []
        return taken


class TorchProcessGroup(ProcessGroup):
    """One of several ranks.

    Messages and counts use gloo on the CPU, so that no GPU is synchronized. Gradients are reduced
    by DistributedDataParallel, with NCCL between GPUs.
    """

    def __init__(
        self,
        job: Job,
        device_type: str,
        stop_requested: Callable[[], bool],
        on_arrival: Callable[[], None],
    ) -> None:
        """Join the group; returns once all ranks have. See `join`."""
        self.rank, self.size = job.rank, job.size
        self._is_due = False
        self._waited, self._waited_since = 0.0, time.monotonic()
        self.outbox = EventOutbox()
        seconds = float(os.environ.get(TIMEOUT_VARIABLE, _STEP_SECONDS))
        backend = "cpu:gloo,cuda:nccl" if device_type == "cuda" else "gloo"
        if device_type == "cuda":
            torch.cuda.set_device(job.local_rank)
        with _explain_lost_connection():
            limit = timedelta(seconds=_SETUP_SECONDS)
            store = meet(job, limit, stop_requested, on_arrival)
            dist.init_process_group(
                backend, store=store, rank=job.rank, world_size=job.size, timeout=limit
            )
            # NCCL gives no reason for a timeout, so let gloo time out first.
            self._gradient_group: Any = dist.new_group(timeout=timedelta(seconds=2 * seconds))
            self._message_group: Any = dist.new_group(
                backend="gloo", timeout=timedelta(seconds=seconds)
            )

    def set_paired_sharding(self, enabled: bool) -> None:
        """From now on keep images that are mixed with each other in the same shard, or don't."""
        self.paired_sharding = enabled

    def local_shard(self, items: Sequence[T]) -> list[T]:
        """Return this rank's shard of a global batch."""
        return shard(items, self.rank, self.size, self.paired_sharding)

    def sync_step(
        self, message: StepMessage, images: int = 0, is_due: Callable[[], bool] | None = None
    ) -> StepMessage:
        """Synchronize by one small collective; only a message takes a second one."""
        has_message = self.is_main and (message.command is not None or message.problem is not None)
        due = self.is_main and is_due is not None and is_due()
        code = _HAS_MESSAGE * has_message + _IS_DUE * due
        values = torch.tensor([code, images, 1 if message.failure else 0])
        began = time.monotonic()
        with _explain_lost_connection():
            dist.all_reduce(values, group=self._message_group)
        self._waited += time.monotonic() - began
        code, self.step_images, failures = values.tolist()
        self._is_due = bool(code & _IS_DUE)
        if failures:
            return StepMessage(
                failure="; ".join(filter(None, self.gather(self._with_rank(message.failure))))
            )
        return (
            self._from_rank_0(message, self._message_group)
            if code & _HAS_MESSAGE
            else StepMessage()
        )

    def is_due(self, local: Callable[[], bool]) -> bool:
        """Return whether progress was due on rank 0 at the last `sync_step`."""
        return self._is_due

    def broadcast_flag(self, value: bool) -> bool:
        """Return rank 0's value."""
        flag = torch.tensor([int(value and self.is_main)])
        with _explain_lost_connection():
            dist.all_reduce(flag, group=self._message_group)
        return bool(flag.item())

    def broadcast(self, value: T) -> T:
        """Return a copy of rank 0's value; may wait as long as rank 0 scans images."""
        return self._from_rank_0(value, None)

    def gather(self, value: T) -> list[T]:
        """Return copies of the values of all ranks, by rank."""
        values: list[Any] = [None] * self.size
        with _explain_lost_connection():
            dist.all_gather_object(values, value, group=self._message_group)
        return values

    @contextmanager
    def shared_errors(self) -> Iterator[None]:
        """Raise a SetupError of any rank within this block on all ranks."""
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
        """Return the network in DistributedDataParallel, for its currently trainable parameters."""
        # The wrapper of an earlier phase must be gone: its hooks would wait for gradients too.
        gc.collect()
        # Buffers are synchronized before validation (`sync_buffers`): in a step a rank may have no
        # image, and then the others must not wait for it.
        return DistributedDataParallel(
            net,
            process_group=self._gradient_group,
            broadcast_buffers=False,
            gradient_as_bucket_view=True,
        )

    @contextmanager
    def explained_errors(self) -> Iterator[None]:
        """Raise RankUnreachable for an error of the connection, but let others pass."""
        try:
            yield
        except RuntimeError as error:
            # gloo has no exceptions of its own.
            if isinstance(error, dist.DistError) or "/gloo/" in str(error):
                raise _unreachable(error) from error
            raise

    def sync_buffers(self, net: nn.Module) -> None:
        """Copy rank 0's BatchNorm statistics to all ranks; each has those of its own shards."""
        for module in net.modules():
            if isinstance(module, _BatchNorm):
                for buffer in module.buffers(recurse=False):
                    with _explain_lost_connection():
                        dist.broadcast(buffer, src=0, group=self._gradient_group)

    def all_reduce_sum(self, values: Tensor) -> Tensor:
        """Return the sum of values (N,) over all ranks, on their device; no synchronization."""
        with _explain_lost_connection():
            dist.all_reduce(values, group=self._gradient_group)
        return values

    def gather_events(self) -> list[Event]:
        """Return the events of the other ranks; empty on any rank but 0."""
        events = [event for events in self.gather(self.outbox.take()) for event in events]
        return events if self.is_main else []

    def wait_fraction(self) -> float | None:
        """Return the fraction of time since the last call that this rank waited before steps, 0 to
        1. A rank with slow data loading or a slow CPU waits least."""
        now = time.monotonic()
        waited, self._waited = self._waited, 0.0
        seconds, self._waited_since = now - self._waited_since, now
        return min(1.0, waited / seconds) if seconds > 0 else None

    def close(self) -> None:
        """Leave the group without waiting for the other ranks."""
        dist.destroy_process_group()

    def _from_rank_0(self, value: T, group: dist.ProcessGroup | None) -> T:
        values: list[Any] = [value if self.is_main else None]
        with _explain_lost_connection():
            dist.broadcast_object_list(values, src=0, group=group, device=_CPU)
        return values[0]  # type: ignore[no-any-return]

    def _with_rank(self, failure: str) -> str:
        return f"rank {self.rank} on {socket.gethostname()}: {failure}" if failure else ""


def join(
    job: Job,
    device: str,
    stop_requested: Callable[[], bool] = lambda: False,
    on_arrival: Callable[[], None] = lambda: None,
) -> TorchProcessGroup:
    """Join the process group of a torchrun job; `device` is the config key.

    On rank 0 `stop_requested` cancels the wait for the other ranks. `on_arrival` is called before
    the others count on this rank. Raises SetupError where this rank has no GPU, JoinCanceled if
    rank 0 was stopped, RankUnreachable where another rank is missing.
    """
    device_type = "cuda" if device in ("auto", "cuda") and torch.cuda.is_available() else "cpu"
    if device_type == "cuda" and job.local_rank >= torch.cuda.device_count():
        raise SetupError(
            f"rank {job.rank} needs GPU {job.local_rank} on {job.host}, which has only "
            f"{fmt.counted(torch.cuda.device_count(), 'GPU')}; start one rank per GPU"
        )
    return TorchProcessGroup(job, device_type, stop_requested, on_arrival)


_CPU = torch.device("cpu")


@contextmanager
def _explain_lost_connection() -> Iterator[None]:
    """Turn torch's errors of a broken connection into RankUnreachable."""
    try:
        yield
    except RuntimeError as error:
        raise _unreachable(error) from error


def _unreachable(error: RuntimeError) -> RankUnreachable:
    reason = reason_of(error, limit=1000).partition(". This is typically")[0]
    return RankUnreachable(
        f"the other ranks are unreachable: a process or a machine is gone, or the network hangs "
        f"({reason})"
    )
