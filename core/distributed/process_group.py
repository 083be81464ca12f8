"""Process group as the engine sees it; `ProcessGroup` itself is the one of a single process.

`core.distributed.torch_process_group` is the multi-process counterpart. Terms are PyTorch's: each
process is a rank of a world of `size`. Rank 0 owns the run: only it has the journal, history,
checkpoints and lock. The other ranks hold an identical TrainState and apply the same messages.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from core.events.commands import Command

if TYPE_CHECKING:
    from torch import Tensor

    from core.events.types import Event

T = TypeVar("T")


class RankUnreachable(RuntimeError):
    """Another rank is unreachable: its process or machine is gone, or the network hangs."""


class JoinCanceled(Exception):
    """Rank 0 was told to stop before all ranks had started."""


@dataclass(frozen=True, slots=True)
class StepMessage:
    """Message of rank 0 before a step, which all ranks apply."""

    command: Command | None = None
    problem: str | None = None
    """What rank 0 can't write, and why."""
    failure: str = ""
    """Why a rank can't continue."""


class ProcessGroup:
    """Process group of one process: every collective returns the local value."""

    rank = 0
    size = 1
    paired_sharding = False
    """Whether images that are mixed with each other are in the same shard."""
    step_images = 0
    """Images of the last synchronized step, over all ranks."""

    @property
    def is_main(self) -> bool:
        """Whether this process owns the run."""
        return self.rank == 0

    def set_paired_sharding(self, enabled: bool) -> None:
        """From now on keep images that are mixed with each other in the same shard, or don't."""

    def local_shard(self, items: Sequence[T]) -> list[T]:
        """Return this rank's shard of a global batch."""
        return list(items)

    def sync_step(
        self, message: StepMessage, images: int = 0, is_due: Callable[[], bool] | None = None
    ) -> StepMessage:
        """Synchronize all ranks between two steps; returns rank 0's message.

        `images` are this rank's images of the next step; `is_due` says whether progress should be
        reported. A failure of any rank is returned on all of them.
        """
        self.step_images = images
        return message

    def is_due(self, local: Callable[[], bool]) -> bool:
        """Return whether progress should be reported, by rank 0's clock."""
        return local()

    def broadcast_flag(self, value: bool) -> bool:
        """Return rank 0's value."""
        return value

    def broadcast(self, value: T) -> T:
        """Return rank 0's value."""
        return value

    def gather(self, value: T) -> list[T]:
        """Return the values of all ranks, by rank."""
        return [value]

    @contextmanager
    def shared_errors(self) -> Iterator[None]:
        """Raise a SetupError of any rank within this block on all ranks."""
        yield

    def wrap_ddp(self, net: Any) -> Any:
        """Return the network to call in training, whose gradients are those of the global batch."""
        return net

    @contextmanager
    def explained_errors(self) -> Iterator[None]:
        """Raise RankUnreachable for an error of the connection within this block, which computes
        gradients with a network of `wrap_ddp`."""
        yield

    def sync_buffers(self, net: Any) -> None:
        """Copy rank 0's running statistics to all ranks."""

    def all_reduce_sum(self, values: "Tensor") -> "Tensor":
        """Return the sum of values (N,) over all ranks, on their device; no synchronization."""
        return values

    def gather_events(self) -> "list[Event]":
        """Return the events of the other ranks; empty on any rank but 0."""
        return []

    def wait_fraction(self) -> float | None:
        """Return the fraction of time since the last call that this rank waited for the others,
        0 to 1; None for a single process."""
        return None

    def close(self) -> None:
        """Leave the group."""


SINGLE_PROCESS = ProcessGroup()


def shard(items: Sequence[T], rank: int, size: int, paired_sharding: bool = False) -> list[T]:
    """Return a rank's shard of a global batch. Each item is in exactly one shard.

    With `paired_sharding` an item and its mirror image from the end (first and last, second and
    last but one, ...) are in the same shard, because mixup and CutMix pair images that way.
    """
    count = len(items)
    if not paired_sharding:
        return list(items[count * rank // size : count * (rank + 1) // size])
    pairs = (count + 1) // 2
    begin, end = pairs * rank // size, pairs * (rank + 1) // size
    return [*items[begin:end], *items[max(end, count - end) : count - begin]]
