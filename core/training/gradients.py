"""The gradient of a global batch: of all ranks together, and in parts where memory is short."""

from collections.abc import Callable

import torch
from torch import Tensor

from core.config.schema import Config
from core.data.loading.dataset import Batch
from core.distributed.process_group import ProcessGroup
from core.events.emitter import Emit
from core.training import event_factory as reports
from core.training import micro_batches as parts
from core.training.features.loader import PhaseInput
from core.training.micro_batches import ForwardResult
from core.training.train_state import TrainState

_TRIALS = 2
"""Steps of a phase in which ranks look whether their memory is enough before they come together."""


class GradientComputer:
    """Leaves the gradients of a phase's batches with its parameters.

    Where the device's memory is too small for a batch it is worked through in smaller parts; the
    gradient is the same but for the order of sums.
    """

    def __init__(self, config: Config, group: ProcessGroup, emit: Emit) -> None:
        self.failure = ""
        """Why there is no gradient: on this rank, or on another one in a phase's first step."""
        self._config = config
        self._group = group
        self._emit = emit
        self._feed: PhaseInput | None = None
        self._net: Callable[[Tensor], Tensor] | None = None
        self._trials_left = 0

    def begin(self, feed: PhaseInput) -> None:
        """Begin a phase that trains on this feed; what trains in it is thawed already."""
        # Not both at once: a phase's network of several ranks watches its parameters.
        self._net = None
        self._feed, self._net = feed, self._group.wrap_ddp(feed.net)
        # Memory may turn out too small in a phase's first step, or with what the optimizer keeps
        # from then on in its second: until then no rank waits in one.
        self._trials_left = _TRIALS if self._group.size > 1 else 0

    def of(self, state: TrainState, batch: Batch, seed: int) -> ForwardResult | None:
        """Make the gradient of a global batch's mean loss; `batch` is this rank's share of it, and
        what the network draws at random depends on `seed`. Returns what the share came to; None
        where it is empty or the memory holds no picture."""
        state.optimizer.zero_grad(set_to_none=True)
        count, forwarded = batch.labels.shape[0], None
        while count and forwarded is None and not self.failure:
            forwarded = self._try(state, batch, seed)
            if forwarded is None:
                self.failure = self.halve_micro_batch(state)
        if self._trials_left:
            # None waits in a gradient that another has no memory for.
            self._trials_left -= 1
            self.failure = next(filter(None, self._group.gather(self.failure)), "")
            if not self.failure:
                self._sync_gradients()
        elif not count:
            self._sync_gradients()
        return forwarded

    def halve_micro_batch(self, state: TrainState) -> str:
        """Halve the parts that a batch is worked through in; returns why that is not possible."""
        assert self._feed is not None
        state.optimizer.zero_grad(set_to_none=True)
        compute = self._feed.compute
        if compute.device.type == "cuda":
            torch.cuda.empty_cache()
        if state.part_size == 1:
            return (
                f"the memory of {compute.name} is too small for a single picture; "
                "take a smaller model.name or data.image_size"
            )
        most = -(-self._config.data.step_images // self._group.size)
        state.part_size = -(-min(state.part_size, most) // 2)
        self._emit(reports.micro_batch_reduced(compute.name, state.part_size))
        return ""

    def _try(self, state: TrainState, batch: Batch, seed: int) -> ForwardResult | None:
        """Add up the gradient of a batch; returns None when the memory is too small for it."""
        assert self._feed is not None
        assert self._net is not None
        # On trial this rank's network alone computes: what ranks train is called by all at once.
        net = self._feed.net if self._trials_left else self._net
        weight = self._group.size * batch.labels.shape[0] / self._group.step_images
        self._feed.compute.seed(seed)
        try:
            return parts.backward(net, self._feed, batch, state.part_size, seed, weight)
        except torch.cuda.OutOfMemoryError:
            if self._group.size > 1 and not self._trials_left:
                raise  # others wait for this gradient: all begin anew from the checkpoint
            return None

    def _sync_gradients(self) -> None:
        assert self._feed is not None
        assert self._net is not None
        parts.sync_gradients(self._net, self._feed, self._config.data.image_size)
