"""Lightning's Trainer; what costs time and isn't asked for (logger, bar, checkpoints) is off."""

import logging
import warnings

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn, optim
from torch.utils.data import DataLoader

from tests.benchmarks.peers.recipe import (
    CLIP_NORM,
    WORKERS,
    Outcome,
    Recipe,
    Setting,
    Stopwatch,
    hits,
    set_up,
)


class Classifier(LightningModule):
    """The model with its two steps."""

    def __init__(self, setting: Setting, recipe: Recipe, watch: Stopwatch) -> None:
        super().__init__()
        self.model, self.parameters_to_train = setting.model, setting.parameters
        self.recipe, self.watch = recipe, watch

    def on_validation_epoch_start(self) -> None:
        self.right, self.total = torch.zeros((), dtype=torch.int64), 0

    def training_step(self, batch: list[Tensor], number: int) -> Tensor:
        images, labels = batch
        loss = nn.functional.cross_entropy(self.model(images), labels)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: list[Tensor], number: int) -> None:
        images, labels = batch
        logits = self.model(images)
        self.log("val_loss", nn.functional.cross_entropy(logits, labels))
        self.right += hits(logits, labels)
        self.total += len(labels)

    def on_validation_epoch_end(self) -> None:
        self.watch.epoch_ended(self.right.item() / self.total)

    def configure_optimizers(self) -> optim.Optimizer:
        return self.recipe.make_optimizer(self.parameters_to_train)


def train(recipe: Recipe) -> Outcome:
    """Train with persistent workers."""
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    setting = set_up(recipe)
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
    trainer = Trainer(
        max_epochs=recipe.epochs,
        accelerator="cpu",
        gradient_clip_val=CLIP_NORM,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    watch = Stopwatch()
    trainer.fit(Classifier(setting, recipe, watch), *loaders)
    return watch.ended()
