"""Gradients and logits of batches, within the memory of the device and over all ranks."""

from collections.abc import Callable

import torch
from torch import Tensor

from core.config.schema import Config
from core.data.loading.dataset import Batch
from core.data.loading.loader import EVAL_BATCH_FACTOR
from core.distributed.process_group import ProcessGroup
from core.events.emitter import Emit
from core.training import event_factory, micro_batches
from core.training.micro_batches import ForwardResult
from core.training.phase_input import PhaseInput
from core.training.train_state import TrainState

_PROBING_STEPS = 2
"""First steps of a phase, in which each rank tries its memory before the ranks synchronize."""


class BatchComputer:
    """Computes gradients and logits of a phase's batches.

    If the device runs out of memory, the micro-batch size is halved; gradients are the same except
    for the order of summation.
    """

    def __init__(self, config: Config, group: ProcessGroup, emit: Emit) -> None:
        self.failure = ""
        """Why there is no result: on this rank, or on another one in a phase's first steps."""
        self._config = config
        self._group = group
        self._emit = emit
        self._input: PhaseInput | None = None
        self._net: Callable[[Tensor], Tensor] | None = None
        self._probing_left = 0
        self._eval_factor = EVAL_BATCH_FACTOR
        """Evaluation batch size in micro-batches, while memory suffices."""

    def begin_phase(self, phase_input: PhaseInput) -> None:
        """Start a phase, whose trainable parameters are already set."""
        # Drop the earlier network first: DistributedDataParallel hooks its parameters.
        self._net = None
        self._input, self._net = phase_input, self._group.wrap_ddp(phase_input.net)
        # Memory may run out in the first step of a phase, or in the second one because of the
        # optimizer's new state: until then no rank may wait for another within a step.
        self._probing_left = _PROBING_STEPS if self._group.size > 1 else 0

    def gradient(self, state: TrainState, batch: Batch, seed: int) -> ForwardResult | None:
        """Set `grad` of the parameters to the gradient of a global batch's mean loss.

        `batch` is this rank's shard, and random draws of the network depend on `seed`. Returns the
        shard's forward results, or None if it is empty or not even one image fits in memory.
        """
        state.optimizer.zero_grad(set_to_none=True)
        count, forwarded = batch.labels.shape[0], None
        while count and forwarded is None and not self.failure:
            forwarded = self._try(state, batch, seed)
            if forwarded is None:
                self.failure = self._halve_micro_batch(state)
        if self._probing_left:
            # No rank may wait for the gradient of another one that has run out of memory.
            self._probing_left -= 1
            self.failure = next(filter(None, self._group.gather(self.failure)), "")
            if not self.failure:
                self._sync_gradients()
        elif not count:
            self._sync_gradients()
        return forwarded

    def logits(self, state: TrainState, batch: Batch) -> Tensor | None:
        """Return the logits (N, classes) of a batch in evaluation; None if not even one image fits
        in memory."""
        assert self._input is not None
        net = state.ema.net if state.ema else self._input.net
        while len(batch.labels):
            try:
                size = self._eval_factor * state.micro_batch_size
                return micro_batches.forward(net, self._input.compute, batch.images, size)
            except torch.cuda.OutOfMemoryError:
                was_larger = self._eval_factor > 1
                self._eval_factor = 1
            if not was_larger:
                self.failure = self._halve_micro_batch(state)
                if self.failure:
                    return None
        return torch.empty(0)

    def _halve_micro_batch(self, state: TrainState) -> str:
        """Halve the micro-batch size; returns the reason if that is not possible."""
        assert self._input is not None
        state.optimizer.zero_grad(set_to_none=True)
        compute = self._input.compute
        if compute.device.type == "cuda":
            torch.cuda.empty_cache()
        if state.micro_batch_size == 1:
            return (
                f"{compute.name} is out of memory with a single image; choose a smaller "
                "model.name or data.image_size"
            )
        most = -(-self._config.data.step_images // self._group.size)
        state.micro_batch_size = -(-min(state.micro_batch_size, most) // 2)
        self._emit(event_factory.micro_batch_reduced(compute.name, state.micro_batch_size))
        return ""

    def _try(self, state: TrainState, batch: Batch, seed: int) -> ForwardResult | None:
        """Accumulate the gradient of a batch; returns None if memory runs out."""
        assert self._input is not None
        assert self._net is not None
        # While probing, use the network without DistributedDataParallel, which all ranks must call.
        net = self._input.net if self._probing_left else self._net
        weight = self._group.size * batch.labels.shape[0] / self._group.step_images
        self._input.compute.seed(seed)
        try:
            with self._group.explained_errors():
                return micro_batches.backward(
                    net, self._input, batch, state.micro_batch_size, seed, weight, state.scaler
                )
        except torch.cuda.OutOfMemoryError:
            if self._group.size > 1 and not self._probing_left:
                raise  # other ranks wait for this gradient: all restart from the checkpoint
            return None

    def _sync_gradients(self) -> None:
        assert self._input is not None
        assert self._net is not None
        with self._group.explained_errors():
            micro_batches.sync_gradients(self._net, self._input, self._config.data.image_size)
