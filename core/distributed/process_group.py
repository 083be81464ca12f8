"""The processes that train one run together, as the engine sees them: here, one alone.

`core.distributed.torch_process_group` is the multi-process counterpart. The vocabulary is PyTorch's: each
process is a rank, of a world of `size`. Rank 0 owns the run: it alone has its journal, history,
checkpoints and lock; the others hold the same TrainState and change it by the same words.
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
    """Another rank can't be reached any more: its process or its machine is gone, or the network
    hangs."""


@dataclass(frozen=True, slots=True)
class StepMessage:
    """What rank 0 says before a step, and all ranks act by."""

    command: Command | None = None
    problem: str | None = None
    """What rank 0 can't write, and why."""
    failure: str = ""
    """Why a rank can't go on."""


class ProcessGroup:
    """One process, which is all there is: every method does nothing, or what it would do alone."""

    rank = 0
    size = 1
    paired_sharding = False
    """Whether pictures that are mixed with each other are in one share."""
    step_images = 0
    """Pictures of the step that was last agreed on, over all ranks."""

    @property
    def is_main(self) -> bool:
        """Whether this process owns the run."""
        return self.rank == 0

    def set_paired_sharding(self, wanted: bool) -> None:
        """Have pictures that are mixed with each other in one share from now on, or not."""

    def local_shard(self, items: Sequence[T]) -> list[T]:
        """Return this rank's share of a global batch."""
        return list(items)

    def sync_step(
        self, message: StepMessage, images: int = 0, is_due: Callable[[], bool] | None = None
    ) -> StepMessage:
        """Come together between two steps: returns rank 0's message. `step_images` are those that this
        rank has for the step; `is_due` tells whether it is time to tell of progress.

        A rank that says a failure has it heard by all.
        """
        self.step_images = images
        return message

    def is_due(self, asks: Callable[[], bool]) -> bool:
        """Whether it is time to tell of progress, by rank 0's clock."""
        return asks()

    def broadcast_flag(self, value: bool) -> bool:
        """Return rank 0's value."""
        return value

    def broadcast(self, value: T) -> T:
        """Return rank 0's value."""
        return value

    def gather(self, value: T) -> list[T]:
        """Return the values of all ranks, in their order."""
        return [value]

    @contextmanager
    def shared_errors(self) -> Iterator[None]:
        """Let a SetupError of any rank in this block be one of all."""
        yield

    def wrap_ddp(self, net: Any) -> Any:
        """Return a network as it is called in training, so that gradients are those of the global
        batch."""
        return net

    def sync_buffers(self, net: Any) -> None:
        """Let a network's running statistics be the same on all ranks: rank 0's."""

    def all_reduce_sum(self, figures: "Tensor") -> "Tensor":
        """Return the sum of figures (N,) over all ranks, on their device; waits for no GPU."""
        return figures

    def gather_events(self) -> "list[Event]":
        """Return what the other ranks have to tell; rank 0 alone tells it."""
        return []

    def wait_fraction(self) -> float | None:
        """Return the share of the time since the last call, 0 to 1, in which this rank waited for
        the others; None where there are none."""
        return None

    def close(self) -> None:
        """Leave."""


SINGLE_PROCESS = ProcessGroup()


def shard(items: Sequence[T], rank: int, size: int, paired_sharding: bool = False) -> list[T]:
    """Return a rank's share of a global batch. Each item is in one share.

    With `paired_sharding` it has as many from the beginning as, mirrored, from the end: the first and the
    last, the second and the last but one… are in the same, as mixup and CutMix pair pictures.
    """
    count = len(items)
    if not paired_sharding:
        return list(items[count * rank // size : count * (rank + 1) // size])
    pairs = (count + 1) // 2
    begin, end = pairs * rank // size, pairs * (rank + 1) // size
    return [*items[begin:end], *items[max(end, count - end) : count - begin]]
