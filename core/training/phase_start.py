"""What training starts with: the state of a phase, and the trained weights of an epoch."""

from torch import nn

from core.config.phases import FULL, HEAD
from core.config.schema import Config
from core.model.build import (
    copy_frozen,
    copy_weights,
    freeze_backbone,
    set_grad_checkpointing,
    train_mode,
    unfreeze,
)
from core.model.ema import make_ema
from core.model.unfreezing import stages, train_only, trained_stages
from core.run.early_stopping import EarlyStopping
from core.run.monitors import best_monitor, stopping_monitor
from core.training.loss_scaler import make_loss_scaler
from core.training.lr_schedule import LrSchedule
from core.training.metrics import RunningMetrics
from core.training.optimizers import build_optimizer
from core.training.phase_input import PhaseInput
from core.training.train_state import Best, TrainState


def state_at_start(
    config: Config,
    phase: str,
    model: nn.Module,
    phase_input: PhaseInput,
    *,
    best: Best | None,
    global_step: int,
    fingerprint: str,
) -> TrainState:
    """Freeze or unfreeze the backbone of `model`, and return the state before the first step.

    `best` is that of earlier phases, `fingerprint` that of the data.
    """
    phase_config = config.phases.get(phase)
    parameters = (freeze_backbone if phase == HEAD else unfreeze)(model)
    if config.model.grad_checkpointing:
        set_grad_checkpointing(model, phase == FULL)
    optimizer = build_optimizer(phase_config, parameters, model)
    phase_input.compute.place_model(model)
    stopping = phase_config.early_stopping
    return TrainState(
        phase=phase,
        epoch=1,
        step=0,
        global_step=global_step,
        validation_pending=False,
        model=model,
        parameters=parameters,
        optimizer=optimizer,
        schedule=LrSchedule(phase_config, optimizer, phase_input.train.steps),
        stopping=EarlyStopping(
            phase_config.patience,
            stopping.min_delta,
            monitor=stopping_monitor(phase_config.monitor),
        ),
        best_monitor=best_monitor(phase_config.monitor),
        metrics=RunningMetrics(),
        micro_batch_size=config.data.micro_batch_size or config.data.step_images,
        best=best,
        fingerprint=fingerprint,
        scaler=make_loss_scaler(phase_input.compute),
        ema=make_ema(config, phase, phase_input.image_net),
        frozen=copy_frozen(model) if phase == HEAD else {},
        start_weights=copy_weights(model) if config.nonfinite == "rollback" else {},
    )


def set_trained_weights(config: Config, model: nn.Module, phase: str, epoch: int) -> bool:
    """Set train mode and freeze what this epoch doesn't train; return whether that has changed."""
    train_mode(model, frozen=phase == HEAD)
    pace = config.phases.full.unfreeze
    if phase == HEAD or pace == "all":
        return False
    parts = stages(model)
    return train_only(model, parts[-trained_stages(pace, epoch, len(parts)) :])
