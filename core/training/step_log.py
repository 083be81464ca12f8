"""Step log: results of training steps, read in groups because reading synchronizes with the GPU."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from core.config.schema import Config
from core.events.emitter import Emit
from core.training import event_factory
from core.training.loss_scaler import OVERFLOW
from core.training.metrics import MAX_PENDING_LOGITS
from core.training.micro_batches import ForwardResult
from core.training.phase_input import PhaseInput
from core.training.throughput import ThroughputMeter
from core.training.train_state import MAX_ROLLBACKS, TrainState


class _Step(NamedTuple):
    number: int
    values: Tensor
    """Loss and gradient norm (2,); without `forwarded` also top-1 hits and top-5 hits (4,). On the
    device."""
    forwarded: ForwardResult | None
    images: int


class StepLog:
    """Keeps results of steps on the device until they are read, then counts them and warns."""

    def __init__(self, config: Config, phase_inputs: Mapping[str, PhaseInput], emit: Emit) -> None:
        self._config = config
        self._inputs = phase_inputs
        self._emit = emit
        self._pending: list[_Step] = []
        self._pending_logits = 0

    @property
    def is_full(self) -> bool:
        """Whether the pending results take so much device memory that they should be read."""
        return self._pending_logits > MAX_PENDING_LOGITS

    def add(self, number: int, forwarded: ForwardResult, values: Tensor) -> None:
        """Add a step by its loss and gradient norm (2,); it was taken if both are finite and the
        norm isn't OVERFLOW."""
        self._pending.append(_Step(number, values, forwarded, len(forwarded.labels)))
        self._pending_logits += forwarded.logits.numel()

    def add_global(self, number: int, images: int, values: Tensor) -> None:
        """Add a step of several ranks by its loss, gradient norm, top-1 hits and top-5 hits (4,)
        over all of its `images`."""
        self._pending.append(_Step(number, values, None, images))

    def read(self, state: TrainState, meter: ThroughputMeter) -> None:
        """Read the pending steps: add finite ones to the metrics, warn of the others."""
        if not self._pending:
            return
        pending, self._pending, self._pending_logits = self._pending, [], 0
        for step, (loss, norm, *hits) in zip(pending, _values(pending), strict=True):
            meter.add_loss(loss, math.nan if norm == OVERFLOW else norm)
            if math.isfinite(loss) and math.isfinite(norm):
                state.nonfinite_steps = 0
                if step.forwarded is not None:
                    state.metrics.add_batch(loss, step.forwarded.logits, step.forwarded.labels)
                else:
                    state.metrics.add_counts(loss, step.images, *hits)
                continue
            state.nonfinite_steps += 1
            files = self._files(state, step.number)
            self._emit(event_factory.nonfinite_step(state, step.number, loss, norm, files))

    def _files(self, state: TrainState, number: int) -> list[str]:
        """Return the files of a step's global batch, of which this rank has only a shard."""
        phase_input, size = self._inputs[state.phase], self._config.data.step_images
        order = phase_input.order(state.phase, state.epoch)
        return [
            phase_input.train.dataset.paths[index]
            for index in order[(number - 1) * size : number * size]
        ]

    def check_nonfinite(self, state: TrainState) -> str:
        """Roll back after too many non-finite steps in a row, or return why the run fails."""
        if not state.nonfinite_steps:
            return ""
        policy = self._config.nonfinite
        limit = 1 if policy == "stop" else self._config.nonfinite_limit
        if state.nonfinite_steps < limit:
            return ""
        if policy == "rollback" and state.rollbacks < MAX_ROLLBACKS:
            weights = state.roll_back(self._config.phases.get(state.phase).scheduler.factor)
            self._emit(event_factory.rolled_back(state, limit, weights))
            return ""
        steps = f" in {limit} steps in a row" if limit > 1 else ""
        return f"the loss was not finite{steps}"


def _values(steps: list[_Step]) -> list[list[float]]:
    """Return the values of the steps, with a single synchronization on a GPU."""
    if steps[0].values.is_cuda:
        return torch.stack([step.values for step in steps]).tolist()
    return [step.values.tolist() for step in steps]
