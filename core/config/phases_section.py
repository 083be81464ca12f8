"""Section `phases` of the configuration: how each of the two phases trains."""

from collections.abc import Container
from typing import Annotated, Literal

from pydantic import Field

from core.config.fields import NotNegative, OptimizerName, Positive, Section
from core.config.phases import FULL, HEAD, PHASES, auto_patience, auto_warmup


class SchedulerConfig(Section):
    """Learning rate schedule of a phase."""

    kind: Literal["plateau", "cosine"] = "plateau"
    """plateau = `torch.optim.lr_scheduler.ReduceLROnPlateau` on the monitored metric; cosine =
    decay to 0 over all `epochs`, step by step, independent of it. With more epochs on resume the
    cosine is stretched over all of them: the rate rises to its value on the longer curve."""
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Factor applied to the learning rate on a plateau, and by nonfinite: rollback."""
    patience: Annotated[int, Field(ge=0)]
    """Epochs without improvement before the learning rate is reduced."""


class EarlyStoppingConfig(Section):
    """Early stopping of a phase, by its monitored metric."""

    patience: Annotated[int, Field(ge=1)] | Literal["auto"]
    """Epochs without improvement after which the phase ends; auto = a third of its `epochs`, but at
    least 3."""
    min_delta: NotNegative = 0.001
    """Minimum decrease of the loss, or increase of an accuracy or F1 (from 0 to 1), that counts as
    an improvement."""


class PhaseConfig(Section):
    """Training of one phase."""

    epochs: Annotated[int, Field(ge=0)]
    """Maximum number of epochs; 0 skips the phase."""
    optimizer: OptimizerName
    """adam, adamw and sgd are from torch.optim, all others from timm.optim. Momentum is 0.9;
    lion, clion and adan usually need a tenth to a third of the learning rate of adamw."""
    lr: Positive
    """Initial learning rate."""
    weight_decay: NotNegative
    """Weight decay of all parameters trained in this phase."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.0
    """Fraction of each training label spread evenly over all classes (`label_smoothing` of torch's
    cross entropy); 0 = off. The displayed training loss includes it, the validation loss never."""
    scheduler: SchedulerConfig
    """Learning rate schedule."""
    warmup_epochs: NotNegative | Literal["auto"] = 0.0
    """Epochs, or a fraction of one, in which the learning rate rises linearly from nearly 0 to
    `lr`; auto = a tenth of `epochs`. A live change of the learning rate ends the warmup."""
    monitor: Literal["auto", "val_loss", "val_top1", "macro_f1", "balanced_accuracy"] = "auto"
    """Validation metric of early stopping, of the plateau and of the best epoch, which keeps the
    weights; auto = val_loss for the first two, val_top1 for the best epoch. macro_f1 and
    balanced_accuracy weight classes equally. Among equal epochs the lowest val_loss is the best."""
    early_stopping: EarlyStoppingConfig
    """When the phase ends early."""

    @property
    def warmup(self) -> float:
        """Return `warmup_epochs` as a number."""
        return auto_warmup(self.epochs) if self.warmup_epochs == "auto" else self.warmup_epochs

    @property
    def patience(self) -> int:
        """Return the patience of early stopping as a number."""
        patience = self.early_stopping.patience
        return auto_patience(self.epochs) if patience == "auto" else patience

    def patience_on_resume(self, current: int, changed: Container[str]) -> int:
        """Return the patience of a resumed phase whose checkpoint has `current`, after changes of
        these keys of the phase. More epochs raise an automatic patience."""
        if "early_stopping.patience" in changed:
            return self.patience
        if "epochs" in changed and self.early_stopping.patience == "auto":
            return max(current, self.patience)
        return current


class HeadConfig(PhaseConfig):
    """Phase `head`: with a frozen backbone, each view of an image passes through it only once."""

    views: Annotated[int, Field(ge=0, le=10_000)] = 1
    """Views of each image whose backbone features are computed once and cached: the first with the
    validation transform, the others augmented; 0 = a new augmented view every epoch."""


class FullConfig(PhaseConfig):
    """Phase `full`: all weights are trained."""

    unfreeze: Literal["all"] | Annotated[int, Field(ge=1)] = "all"
    """all = every weight is trained from the first epoch; a number = first the last stage of the
    backbone alone, and one more stage after each such number of epochs, back to the first layers. A
    ConvNeXt has five stages."""
    mixup: NotNegative = 0.0
    """Alpha of timm's mixup: each training image is blended with another one of its batch, and so
    are their labels; 0 = off. Training top-1 is computed against the original labels."""
    cutmix: NotNegative = 0.0
    """Alpha of timm's CutMix: a rectangle of another image of the batch is pasted in; 0 = off. With
    `mixup` too, each batch gets one of them at random."""
    ema: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] | None = None
    """Decay of an exponential moving average of the weights, such as 0.999 (timm's ModelEmaV3),
    which averages about the last 1 / (1 - decay) steps; until there are as many, it is the mean of
    all steps. null = none. Validation, best checkpoints and the end of the phase use the averaged
    weights."""
    layer_decay: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    """Factor on the learning rate from each layer to the one before it, so that the first layers
    change least (timm's param_groups_layer_decay, which also excludes biases and norms from weight
    decay); 1 = off."""


class PhasesConfig(Section):
    """The two phases, in order."""

    head: HeadConfig = HeadConfig(
        epochs=40,
        optimizer="adamw",
        lr=1e-3,
        weight_decay=1e-4,
        scheduler=SchedulerConfig(patience=2),
        early_stopping=EarlyStoppingConfig(patience=4),
    )
    """Frozen backbone: only the classifier head is trained."""
    full: FullConfig = FullConfig(
        epochs=10,
        optimizer="adamw",
        lr=1e-3,
        weight_decay=0.05,
        scheduler=SchedulerConfig(kind="cosine", patience=1),
        warmup_epochs="auto",
        early_stopping=EarlyStoppingConfig(patience="auto"),
        ema=0.999,
        layer_decay=0.8,
    )
    """All weights are trained, starting from the best weights of phase `head`."""

    def get(self, phase: str) -> PhaseConfig:
        """Return the configuration of phase `head` or `full`."""
        return {HEAD: self.head, FULL: self.full}[phase]

    def left(self, current: str | None = None) -> list[str]:
        """Return the phases that remain to be trained, in order, starting with `current` (the phase
        of a resumed run)."""
        planned = [phase for phase in PHASES if self.get(phase).epochs > 0]
        if current is None:
            return planned
        later = PHASES[PHASES.index(current) + 1 :]
        return [current, *(phase for phase in later if phase in planned)]
