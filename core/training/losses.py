"""The loss of training; that of validation is plain cross entropy, whatever stands here."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from core.config.schema import Config
from core.data.balance import class_weights
from core.data.loading.dataset import ImageDataset


@dataclass(frozen=True, slots=True)
class TrainingLoss:
    """Cross entropy, smoothed and weighted where that is asked for."""

    smoothing: float = 0.0
    weights: Tensor | None = None
    """(classes,), on the device; 1 on average over the training pictures."""

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean over the pictures, (), of logits (N, classes), computed in float32.
        `targets` are labels (N,) or shares of the classes (N, classes)."""
        logits = logits.float()
        if self.weights is None:
            return F.cross_entropy(logits, targets, label_smoothing=self.smoothing)
        # Not torch's weighted mean: it divides by the weights of the batch that just came, and a
        # batch in parts would be another step.
        each = F.cross_entropy(
            logits, targets, self.weights, label_smoothing=self.smoothing, reduction="none"
        )
        return each.mean()


def training_loss(
    config: Config, phase: str, train: ImageDataset, device: torch.device
) -> TrainingLoss:
    """Return the loss that a phase is trained by on these pictures."""
    weights = None
    if config.data.balance == "loss":
        weights = torch.tensor(class_weights(train.labels, train.classes), device=device)
    return TrainingLoss(config.phases.get(phase).label_smoothing, weights)
