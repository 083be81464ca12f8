"""What the engine tells, made from where it stands: one function an event."""

import math
from collections.abc import Sequence
from dataclasses import asdict

from core.common import format as fmt
from core.config.schema import PhaseConfig
from core.events.types import EpochEnded, PhaseEnded, PhaseStarted, Progress, RunEnded, Warned
from core.model.build import count_parameters
from core.training.metrics import PassResult
from core.training.throughput import ThroughputMeter
from core.training.train_state import Best, TrainState

_FILES_A_WARNING = 64


def phase_started(
    state: TrainState, config: PhaseConfig, steps: int, val_steps: int
) -> PhaseStarted:
    """Return the beginning of the state's phase, with steps of a training and a val pass."""
    return PhaseStarted(
        phase=state.phase,
        epochs=config.epochs,
        steps=steps,
        val_steps=val_steps,
        global_step=state.global_step,
        trainable_parameters=count_parameters(state.parameters),
        optimizer=config.optimizer,
        lr=config.lr,
        weight_decay=config.weight_decay,
        patience=config.early_stopping.patience,
        min_delta=config.early_stopping.min_delta,
        scheduler=config.scheduler.kind,
        warmup_epochs=config.warmup_epochs,
        scheduler_factor=config.scheduler.factor,
        scheduler_patience=config.scheduler.patience,
    )


def progress(
    state: TrainState, stage: str, step: int, steps: int, sofar: PassResult, meter: ThroughputMeter
) -> Progress:
    """Return where the running pass stands; the meter begins anew."""
    return Progress(
        phase=state.phase,
        epoch=state.epoch,
        stage=stage,
        step=step,
        steps=steps,
        global_step=state.global_step,
        loss=sofar.loss,
        top1=sofar.top1,
        lr=state.lr,
        seconds=state.epoch_seconds,
        **asdict(meter.take()),
    )


def epoch_ended(
    state: TrainState,
    train: PassResult,
    val: PassResult,
    lr: float,
    best: bool,
    phase_best: bool,
    meter: ThroughputMeter,
) -> EpochEnded:
    """Return the verdicts on an epoch: `lr` is what it ended with, the state has the next one."""
    return EpochEnded(
        phase=state.phase,
        epoch=state.epoch,
        global_step=state.global_step,
        train_loss=train.loss,
        train_top1=train.top1,
        val_loss=val.loss,
        val_top1=val.top1,
        val_top5=val.top5,
        lr=lr,
        next_lr=state.lr,
        seconds=state.epoch_seconds,
        best=best,
        phase_best=phase_best,
        patience=state.stopping.patience,
        min_delta=state.stopping.min_delta,
        bad_epochs=state.stopping.bad_epochs,
        monitor_best=state.stopping.best,
        scheduler_bad_epochs=state.schedule.bad_epochs,
        images_per_second=meter.mean_images_per_second,
        data_wait=meter.mean_data_wait,
    )


def phase_ended(state: TrainState, reason: str, epochs: int) -> PhaseEnded:
    """Return the end of the state's phase after this many epochs."""
    best = state.phase_best
    return PhaseEnded(
        phase=state.phase,
        reason=reason,
        epochs=epochs,
        seconds=state.phase_seconds,
        best_epoch=best.epoch if best else 0,
        best_val_top1=best.val_top1 if best else math.nan,
        best_val_loss=best.val_loss if best else math.nan,
    )


def nonfinite_step(
    state: TrainState, step: int, loss: float, norm: float, files: Sequence[str]
) -> Warned:
    """Return the warning of a step that was not taken, with the files of its batch."""
    what = f"gradient norm is {norm}" if math.isfinite(loss) else f"loss is {loss}"
    return Warned(
        code="nonfinite-loss",
        message=(
            f"{what} at step {step} of {state.phase} epoch {state.epoch}; "
            f"the step was not taken ({state.nonfinite_steps} in a row)"
        ),
        files=list(files[:_FILES_A_WARNING]),
    )


def rolled_back(state: TrainState, steps: int, origin: str) -> Warned:
    """Return the warning that the phase went back to `origin` after `steps` steps not taken."""
    return Warned(
        code="rollback",
        message=(
            f"{steps} steps in a row could not be taken: phase {state.phase} goes back to "
            f"{origin}, with lr {fmt.rate(state.lr)}"
        ),
    )


def unreadable_file(path: str, reason: str) -> Warned:
    """Return the warning of a file that could be read once and can't be any more."""
    message = "a file can't be read any more and is left out"
    return Warned(code="unreadable-file", message=message, files=[path], reasons=[reason])


def micro_batch_reduced(device: str, size: int) -> Warned:
    """Return the warning that batches are worked through in parts from now on."""
    return Warned(
        code="out-of-memory",
        message=(
            f"the memory of {device} is too small: batches are worked through in parts of "
            f"{size}, the step is done again"
        ),
    )


def run_ended(outcome: str, reason: str, best: Best | None, seconds: float) -> RunEnded:
    """Return the end of the run."""
    return RunEnded(
        outcome=outcome,
        reason=reason,
        best_val_top1=best.val_top1 if best else math.nan,
        best_phase=best.phase if best else "",
        best_epoch=best.epoch if best else 0,
        seconds=seconds,
    )
