"""The training of all contenders: the same images, start weights, optimizer and epochs."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import torch
from timm.data import create_transform, resolve_data_config
from torch import Tensor, nn, optim
from torchvision.datasets import ImageFolder

from core.config.schema import ModelConfig
from core.model.build import build_model, freeze_backbone, unfreeze

CLIP_NORM = 1.0
WORKERS = 2
"""Loader processes of each peer."""
_LR = {"head": 1e-3, "full": 1e-4}
_DECAY = {"head": 0.0, "full": 1e-4}


@dataclass(frozen=True, slots=True)
class Recipe:
    """A phase of training; paths are text for JSON."""

    data: str
    weights: str | None
    """A file for the model; None = random weights."""
    model: str
    phase: str
    epochs: int
    seed: int
    image_size: int = 64
    batch_size: int = 32
    min_scale: float = 0.35

    @property
    def lr(self) -> float:
        """Adam 1e-3 for the head, AdamW 1e-4 for everything; constant."""
        return _LR[self.phase]

    @property
    def weight_decay(self) -> float:
        """None for the head."""
        return _DECAY[self.phase]

    @property
    def optimizer(self) -> str:
        """Name of the optimizer, as in this program's config."""
        return {"head": "adam", "full": "adamw"}[self.phase]

    def make_optimizer(self, parameters: Any, **options: Any) -> optim.Optimizer:
        """Return the phase's optimizer from torch.optim."""
        kind = {"head": optim.Adam, "full": optim.AdamW}[self.phase]
        return kind(parameters, lr=self.lr, weight_decay=self.weight_decay, **options)

    def to_json(self) -> str:
        """Return it as a command line argument."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read it back."""
        return cls(**json.loads(text))


@dataclass
class Outcome:
    """Result of a contender."""

    began: float
    """Unix seconds at the start of the first epoch; before it is start-up."""
    seconds: float
    """From there to the end of the last epoch."""
    val_top1: list[float] = field(default_factory=list)
    """One per epoch, 0 to 1."""
    epoch_seconds: list[float] = field(default_factory=list)


@dataclass
class Setting:
    """Model and data of a peer."""

    model: nn.Module
    parameters: list[nn.Parameter]
    """The trainable parameters of the phase."""
    train: ImageFolder
    val: ImageFolder


def set_up(recipe: Recipe) -> Setting:
    """Build model and data sets as this program would: same new classifier, same transforms."""
    train, val = (ImageFolder(str(Path(recipe.data, side))) for side in ("train", "val"))
    weights = ModelConfig(name=recipe.model, pretrained=False, weights=recipe.weights)
    model, _ = build_model(weights, len(train.classes), recipe.seed)
    about = resolve_data_config({}, model=model)
    common = {"input_size": (3, recipe.image_size, recipe.image_size)}
    common |= {key: about[key] for key in ("mean", "std", "interpolation")}
    train.transform = create_transform(
        **common, is_training=True, scale=(recipe.min_scale, 1.0), hflip=0.5, color_jitter=0.4
    )
    val.transform = create_transform(
        **common, is_training=False, crop_pct=about["crop_pct"], crop_mode=about["crop_mode"]
    )
    parameters = (freeze_backbone if recipe.phase == "head" else unfreeze)(model)
    torch.manual_seed(recipe.seed)
    return Setting(model, parameters, train, val)


class Stopwatch:
    """Records the times of the epochs."""

    def __init__(self) -> None:
        self.outcome = Outcome(began=time.time(), seconds=0.0)
        self._began = self._epoch_began = time.perf_counter()

    def epoch_ended(self, val_top1: float) -> None:
        """Add the validation accuracy of an epoch."""
        now = time.perf_counter()
        self.outcome.val_top1.append(val_top1)
        self.outcome.epoch_seconds.append(now - self._epoch_began)
        self.outcome.seconds = now - self._began
        self._epoch_began = now

    def ended(self) -> Outcome:
        """Return the result, including the time after the last epoch."""
        self.outcome.seconds = time.perf_counter() - self._began
        return self.outcome


def hits(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the number of top-1 hits, on the device."""
    return (logits.argmax(1) == labels).sum()


Train = Callable[[Recipe], Outcome]
