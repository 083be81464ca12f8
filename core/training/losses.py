"""Training loss. Validation always uses plain cross entropy."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from core.config.schema import Config
from core.data.balance import class_weights
from core.data.loading.dataset import ImageDataset


@dataclass(frozen=True, slots=True)
class TrainingLoss:
    """Cross entropy with optional label smoothing and class weights."""

    smoothing: float = 0.0
    weights: Tensor | None = None
    """(classes,), on the device; 1 on average over the training images."""

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss () over the images of logits (N, classes), computed in float32.

        `targets` are labels (N,) or class probabilities (N, classes).
        """
        logits = logits.float()
        if self.weights is None:
            return F.cross_entropy(logits, targets, label_smoothing=self.smoothing)
        # torch's weighted mean divides by the weights of the batch: the step would then depend on
        # the division into micro-batches.
        each = F.cross_entropy(
            logits, targets, self.weights, label_smoothing=self.smoothing, reduction="none"
        )
        return each.mean()


def training_loss(
    config: Config, phase: str, train: ImageDataset, device: torch.device
) -> TrainingLoss:
    """Return the loss of a phase for these training images."""
    weights = None
    if config.data.balance == "loss":
        weights = torch.tensor(class_weights(train.labels, train.classes), device=device)
    return TrainingLoss(config.phases.get(phase).label_smoothing, weights)
