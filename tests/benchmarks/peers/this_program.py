"""This program headless, as users start it; its times are those of its events."""

from collections.abc import Iterable
from pathlib import Path

from core.events.types import EpochEnded, PhaseEnded, PhaseStarted
from tests.benchmarks.peers.recipe import Outcome, Recipe
from tests.benchmarks.program import Run, of_kind, to_the_last_epoch


def train(recipe: Recipe, work: Path, overrides: Iterable[str] = ()) -> tuple[Outcome, Run]:
    """Train without caches of earlier runs; also returns the run."""
    phase = f"phases.{recipe.phase}"
    settings = {
        "seed": recipe.seed,
        "data.root": recipe.data,
        "data.image_size": recipe.image_size,
        "data.batch_size": recipe.batch_size,
        "data.augment.min_scale": recipe.min_scale,
        "model.name": recipe.model,
        "model.pretrained": False,
        f"{phase}.optimizer": recipe.optimizer,
        f"{phase}.lr": recipe.lr,
        f"{phase}.weight_decay": recipe.weight_decay,
        **to_the_last_epoch(recipe.phase, recipe.epochs),
    }
    if recipe.weights:
        settings["model.weights"] = recipe.weights
    more = [text for override in overrides for text in ("--set", override)]
    run = Run(settings, work, options=more)
    run.finish()
    records = run.records()
    [(began, _)], [(ended, _)] = of_kind(records, PhaseStarted), of_kind(records, PhaseEnded)
    epochs = [event for _, event in of_kind(records, EpochEnded)]
    return Outcome(
        began,
        ended - began,
        [event.val_top1 for event in epochs],
        [event.seconds for event in epochs],
    ), run
