"""Learning rate range test of a phase: one training step at each of many learning rates."""

import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager

import torch
from torch import nn

from core.analysis.lr_range import RangeTestFailed
from core.common.seeds import derive_seed
from core.config.phases import HEAD
from core.data.loading.dataset import Batch
from core.model.build import copy_weights
from core.training.engine import Engine
from core.training.metrics import RunningMetrics
from core.training.phase_start import set_trained_weights
from core.training.train_state import TrainState


@contextmanager
def restored_weights(model: nn.Module) -> Iterator[None]:
    """Restore the weights of a model, and which of them are trainable, at the end."""
    weights = copy_weights(model)
    trainable = [parameter.requires_grad for parameter in model.parameters()]
    try:
        yield
    finally:
        model.load_state_dict(weights)
        for parameter, requires_grad in zip(model.parameters(), trainable, strict=True):
            parameter.requires_grad_(requires_grad)
            parameter.grad = None


def train_head(engine: Engine, epochs: int) -> None:
    """Train the classifier head for some epochs, without validation.

    Raises RangeTestFailed and LoaderError.
    """
    state = engine.new_state(HEAD)
    for epoch in range(1, epochs + 1):
        state.epoch, state.step, state.metrics = epoch, 0, RunningMetrics()
        if engine.train_epoch(state) is not None:
            raise _failed(engine)


def losses_at(engine: Engine, phase: str, rates: Sequence[float]) -> Generator[float, None, None]:
    """Train a phase, one step at each learning rate; yield the loss of each step.

    A loss whose gradient is not finite is NaN. Batches, augmentation and random draws are those of
    a run's first epochs. Raises RangeTestFailed and LoaderError.
    """
    state = engine.new_state(phase)
    left = list(reversed(rates))
    while left:
        before = len(left)
        with closing(_epoch(engine, state)) as batches:
            for batch in batches:
                yield _step(engine, state, batch, left.pop())
                if not left:
                    return
        if len(left) == before:
            raise RangeTestFailed("no training image can be read")
        state.epoch, state.step = state.epoch + 1, 0


def _epoch(engine: Engine, state: TrainState) -> Generator[Batch, None, None]:
    """Yield the batches of an epoch that have a readable image."""
    phase_input = engine.phase_inputs[state.phase]
    if set_trained_weights(engine.config, engine.model, state.phase, state.epoch):
        engine.computer.begin_phase(phase_input)
    if engine.compute_missing_features(state) is not None:
        raise _failed(engine)
    order = phase_input.order(state.phase, state.epoch)
    for batch in phase_input.train.epoch(state.phase, state.epoch, order):
        engine.unreadable.report(batch, phase_input.train)
        if len(batch.labels):
            yield batch
        state.advance()


def _step(engine: Engine, state: TrainState, batch: Batch, lr: float) -> float:
    """Take one training step; returns its loss, NaN if loss or gradient is not finite."""
    engine.commands.handle_commands(state, len(batch.labels))
    state.set_lr(lr)
    seed = derive_seed(engine.config.seed, "step", state.phase, state.epoch) + state.step
    forwarded = engine.computer.gradient(state, batch, seed)
    if forwarded is None:
        raise _failed(engine)
    norm = state.clip_gradient(engine.config.clip_grad_norm)
    values = torch.stack([forwarded.loss, norm])
    state.take_step(values)
    loss, gradient = values.tolist()
    return loss if math.isfinite(gradient) else math.nan


def _failed(engine: Engine) -> RangeTestFailed:
    return RangeTestFailed(engine.failure or engine.computer.failure)
