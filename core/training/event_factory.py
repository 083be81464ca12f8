"""Build the engine's events from its state, with one function per event."""

import math
from collections.abc import Sequence
from dataclasses import asdict

from core.common import format as fmt
from core.config.phases_section import PhaseConfig
from core.events.types import EpochEnded, PhaseEnded, PhaseStarted, Progress, RunEnded, Warned
from core.model.build import count_parameters
from core.training.metrics import PassResult
from core.training.throughput import ThroughputMeter
from core.training.train_state import Best, TrainState

NO_BEST = "no validation pass was complete and had a finite loss, so there are no best weights"
"""Why a run that has trained all its epochs has failed."""
_MAX_FILES = 64


def phase_started(
    state: TrainState, config: PhaseConfig, steps: int, val_steps: int
) -> PhaseStarted:
    """Return the event for the start of a phase, with the steps of its two passes."""
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
        patience=config.patience,
        min_delta=config.early_stopping.min_delta,
        monitor=state.stopping.monitor,
        scheduler=config.scheduler.kind,
        warmup_epochs=config.warmup,
        scheduler_factor=config.scheduler.factor,
        scheduler_patience=config.scheduler.patience,
    )


def progress(
    state: TrainState, stage: str, step: int, steps: int, result: PassResult, meter: ThroughputMeter
) -> Progress:
    """Return the progress of the current pass; resets the meter's rates."""
    return Progress(
        phase=state.phase,
        epoch=state.epoch,
        stage=stage,
        step=step,
        steps=steps,
        global_step=state.global_step,
        loss=result.loss,
        top1=result.top1,
        lr=state.lr,
        seconds=state.epoch_seconds,
        **asdict(meter.take()),
    )


def epoch_ended(
    state: TrainState,
    train: PassResult,
    this: Best,
    *,
    lr: float,
    best: bool,
    phase_best: bool,
    meter: ThroughputMeter,
) -> EpochEnded:
    """Return the results of `this` epoch; `lr` is its last rate, the state has the next one."""
    return EpochEnded(
        phase=state.phase,
        epoch=state.epoch,
        global_step=state.global_step,
        train_loss=train.loss,
        train_top1=train.top1,
        val_loss=this.val_loss,
        val_top1=this.val_top1,
        val_top5=this.val_top5,
        macro_f1=this.macro_f1,
        balanced_accuracy=this.balanced_accuracy,
        monitor=state.stopping.monitor,
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
    """Return the event for the end of a phase after `epochs` epochs."""
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
    """Return the warning of a step without weight update, with the files of its batch."""
    problem = f"gradient norm is {norm}" if math.isfinite(loss) else f"loss is {loss}"
    return Warned(
        code="nonfinite-loss",
        message=(
            f"{problem} at step {step} of {state.phase} epoch {state.epoch}; "
            f"the weights were not updated ({fmt.counted(state.nonfinite_steps, 'step')} in a row)"
        ),
        files=list(files[:_MAX_FILES]),
    )


def rolled_back(state: TrainState, steps: int, weights: str) -> Warned:
    """Return the warning of a rollback to `weights` after `steps` steps that were not finite."""
    return Warned(
        code="rollback",
        message=(
            f"{fmt.counted(steps, 'step')} in a row not finite: phase {state.phase} rolls back to "
            f"{weights}, with lr {fmt.rate(state.lr)}"
        ),
    )


def unreadable_file(path: str, reason: str) -> Warned:
    """Return the warning of a file that has become unreadable during the run."""
    message = "a file has become unreadable and is left out"
    return Warned(code="unreadable-file", message=message, files=[path], reasons=[reason])


def incomplete_validation(state: TrainState, images: int, planned: int) -> Warned:
    """Return the warning that a validation pass has too few images for a verdict."""
    return Warned(
        code="validation",
        message=(
            f"validation of {state.phase} epoch {state.epoch} has only {fmt.count(images)} of "
            f"{fmt.counted(planned, 'image')}: it counts neither for the best weights nor for the "
            "learning rate and early stopping"
        ),
    )


def micro_batch_reduced(device: str, size: int) -> Warned:
    """Return the warning that micro-batches are smaller from now on."""
    return Warned(
        code="out-of-memory",
        message=(
            f"{device} is out of memory: micro-batches are reduced to "
            f"{fmt.counted(size, 'image')}, and the step is repeated"
        ),
    )


def lost_stop(reason: str, problem: str, saved: str) -> str:
    """Return why a stop has failed whose checkpoint was not written."""
    return f"stopped ({reason}), but {problem}; resuming continues from {saved or 'the start'}"


def run_ended(outcome: str, reason: str, best: Best | None, seconds: float) -> RunEnded:
    """Return the event for the end of the run."""
    return RunEnded(
        outcome=outcome,
        reason=reason,
        best_val_top1=best.val_top1 if best else math.nan,
        best_phase=best.phase if best else "",
        best_epoch=best.epoch if best else 0,
        seconds=seconds,
    )
