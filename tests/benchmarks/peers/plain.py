"""An optimized loop in plain PyTorch."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from tests.benchmarks.peers.recipe import (
    CLIP_NORM,
    WORKERS,
    Outcome,
    Recipe,
    Stopwatch,
    hits,
    set_up,
)

# Fastest on CPUs by measurement: channels_last only helps without gradients.
LAYOUTS = {"head": torch.channels_last, "full": torch.contiguous_format}


def train(recipe: Recipe) -> Outcome:
    """Train: persistent workers, a fused optimizer, no synchronization in the step,
    validation under inference_mode, and in phase head no gradients in the backbone."""
    setting = set_up(recipe)
    layout = LAYOUTS[recipe.phase]
    model = setting.model.to(memory_format=layout)
    forward = _frozen_forward(model) if recipe.phase == "head" else model
    loaders = [
        DataLoader(
            part,
            recipe.batch_size,
            shuffle=part is setting.train,
            num_workers=WORKERS,
            persistent_workers=True,
        )
        for part in (setting.train, setting.val)
    ]
    optimizer = recipe.make_optimizer(setting.parameters, fused=True)
    watch = Stopwatch()
    for _ in range(recipe.epochs):
        model.train(recipe.phase == "full")
        loss_sum, right = torch.zeros(()), torch.zeros((), dtype=torch.int64)
        for images, labels in loaders[0]:
            optimizer.zero_grad()
            logits = forward(images.to(memory_format=layout))
            loss = nn.functional.cross_entropy(logits, labels)
            loss.backward()
            nn.utils.clip_grad_norm_(setting.parameters, CLIP_NORM)
            optimizer.step()
            loss_sum += loss.detach() * len(labels)
            right += hits(logits.detach(), labels)
        watch.epoch_ended(validate(model, loaders[1], layout))
    return watch.ended()


@torch.inference_mode()
def validate(model: nn.Module, loader: DataLoader, layout: torch.memory_format) -> float:
    """Return the accuracy."""
    model.eval()
    right, loss_sum, total = torch.zeros((), dtype=torch.int64), torch.zeros(()), 0
    for images, labels in loader:
        logits = model(images.to(memory_format=layout))
        loss_sum += nn.functional.cross_entropy(logits, labels, reduction="sum")
        right += hits(logits, labels)
        total += len(labels)
    return right.item() / total


def _frozen_forward(model: nn.Module) -> Callable[[Tensor], Tensor]:
    def forward(images: Tensor) -> Tensor:
        with torch.no_grad():
            features = model.forward_head(model.forward_features(images), pre_logits=True)
        return model.get_classifier()(features)

    return forward
