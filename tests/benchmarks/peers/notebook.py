"""The training loop of the original notebook, step by step."""

import tempfile
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader

from tests.benchmarks.peers.recipe import CLIP_NORM, WORKERS, Outcome, Recipe, Stopwatch, set_up


def train(recipe: Recipe) -> Outcome:
    """Train; after every epoch both splits are evaluated twice, loss and accuracy."""
    setting = set_up(recipe)
    model, loss_of = setting.model, nn.CrossEntropyLoss()
    loaders = [
        DataLoader(part, recipe.batch_size, shuffle=part is setting.train, num_workers=WORKERS)
        for part in (setting.train, setting.val)
    ]
    optimizer = recipe.make_optimizer(setting.parameters)
    best = 0.0
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(recipe.epochs):
            model.train()
            running = 0.0
            for images, labels in loaders[0]:
                optimizer.zero_grad()
                loss = loss_of(model(images), labels)
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
                optimizer.step()
                running += loss.item()
            for loader in loaders:
                mean_loss(model, loader, loss_of)
            _, top1 = (accuracy(model, loader) for loader in loaders)
            if top1 > best:
                best = top1
                torch.save(model.state_dict().copy(), Path(folder, "best.pt"))
            watch.epoch_ended(top1)
        return watch.ended()


@torch.no_grad()
def mean_loss(model: nn.Module, loader: DataLoader, loss_of: nn.Module) -> float:
    """Return the mean of the batches' mean losses."""
    model.eval()
    losses = [loss_of(model(images), labels).item() for images, labels in loader]
    return sum(losses) / len(losses)


@torch.no_grad()
def accuracy(model: nn.Module, loader: DataLoader) -> float:
    """Return the accuracy."""
    model.eval()
    right = total = 0
    for images, labels in loader:
        right += (model(images).argmax(1) == labels).sum().item()
        total += len(labels)
    return right / total
