"""Effect of each regularization of phase full, and of class balancing, on the accuracy.

    python -m tests.benchmarks.recipes --data DIR --weights FILE [--quick] [--json FILE]
    python -m tests.benchmarks.recipes … --uneven 10 --only none,loss,sampler
    python -m tests.benchmarks.recipes … --only "none,fresh views,head by adam,no image cache"

The preset `default` with its phase head, then phase full for some epochs without early stopping;
one option is changed at a time, with one seed per round. Options of phase full start from the same
phase head as the others. `top-1` and `loss` are those of validation in the best epoch of phase
full, or of phase head with `--epochs 0`. With `--uneven N` every second class keeps 1/N of its
training images, and with `--uneven-val` also of its validation images, as if a folder were split.
The presets are chosen by these results.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from core.events.types import EpochEnded
from tests.benchmarks.common import (
    NOTHING,
    Options,
    Report,
    Table,
    add_data_options,
    add_recipe_options,
    image_folder,
    main,
    mean,
    options_parser,
    say,
    spread,
)
from tests.benchmarks.program import Run, of_kind

VARIANTS = {
    "none": (),
    "smoothing 0.1": ("phases.full.label_smoothing=0.1",),
    "mixup 0.2": ("phases.full.mixup=0.2",),
    "cutmix 1": ("phases.full.cutmix=1.0",),
    "ema 0.999": ("phases.full.ema=0.999",),
    "layer decay 0.8": ("phases.full.layer_decay=0.8",),
    "cosine": ("phases.full.scheduler.kind=cosine", "phases.full.warmup_epochs=0.5"),
    # Differences of `default` from the notebook's recipe, undone one at a time.
    "crops from 0.08": ("data.augment.min_scale=0.08",),
    "no image cache": ("data.decode_once=false",),
    "fresh views": ("phases.head.views=0",),
    "4 views": ("phases.head.views=4",),
    "head by adam": ("phases.head.optimizer=adam", "phases.head.weight_decay=0.0"),
    "head 30 to 7": (
        "phases.head.epochs=30",
        "phases.head.early_stopping.patience=7",
        "phases.head.scheduler.patience=3",
    ),
    "loss": ("data.balance=loss",),
    "sampler": ("data.balance=sampler",),
}
_NEVER = 1_000_000


def measure(options: Options, work: Path) -> Report:
    """Train each variant, seed after seed."""
    data = image_folder(options.data, work, options.limit)
    if options.uneven > 1:
        assert data.is_relative_to(work), "--uneven deletes images: use it with --limit"
        _make_uneven(data, options.uneven, ("train", "val") if options.uneven_val else ("train",))
    names = options.only.split(",")
    found: dict[str, list[EpochEnded]] = defaultdict(list)
    for seed in range(1, options.seeds + 1):
        head = {"phases.full.epochs": 0}
        base = _settings(options, data, seed)
        weights, _ = _train({**base, **head}, work / f"{seed}-head", options.set)
        for name in names:
            changes = [*VARIANTS[name], *options.set]
            settings = dict(base)
            if options.epochs and all(text.startswith("phases.full.") for text in changes):
                settings |= {"model.weights": str(weights), "phases.head.epochs": 0}
            _, best = _train(settings, work / f"{seed}-{name}", changes)
            found[name].append(best)
            say(f"seed {seed}, {name}: top-1 {100 * best.val_top1:.2f}%, {best.val_loss:.3f}")
    values = {
        name: [(e.epoch, e.val_top1, e.val_loss) for e in made] for name, made in found.items()
    }
    return Report(tables=[_table(found, options)], values=values)


def _make_uneven(data: Path, divisor: int, sides: Iterable[str]) -> None:
    for folder in (folder for side in sides for folder in sorted((data / side).iterdir())[1::2]):
        images = sorted(folder.iterdir())
        for image in images[max(1, len(images) // divisor) :]:
            image.unlink()


def _settings(options: Options, data: Path, seed: int) -> dict[str, object]:
    settings = {
        "seed": seed,
        "data.root": str(data),
        "data.image_size": options.image_size,
        "data.batch_size": 32,
        "data.workers": 0,
        "precision": "fp32",
        "memory_format": "contiguous",
        "model.name": options.model,
        "model.pretrained": False,
        "phases.full.epochs": options.epochs,
        "phases.full.early_stopping.patience": _NEVER,
    }
    return settings | ({"model.weights": str(options.weights.resolve())} if options.weights else {})


def _train(
    settings: dict[str, object], work: Path, changes: Iterable[str]
) -> tuple[Path, EpochEnded]:
    """Return the best weights of the last phase, and their epoch."""
    more = [text for change in changes for text in ("--set", change)]
    # The features of phase head are equal for all variants of a seed.
    run = Run(settings, work, options=more, CONVNEXT_TUI_CACHE=str(work.parent / "cache"))
    run.finish()
    assert run.folder is not None
    epochs = [event for _, event in of_kind(run.records(), EpochEnded)]
    last = [event for event in epochs if event.phase == epochs[-1].phase]
    best = max(last, key=lambda event: (event.val_top1, -event.val_loss))
    return run.folder.checkpoints / f"best-{best.phase}.pt", best


def _table(found: dict[str, list[EpochEnded]], options: Options) -> Table:
    where = " in both splits" if options.uneven_val else ""
    what = f", every second class with 1/{options.uneven}{where}" if options.uneven > 1 else ""
    trained = f"phase full, {options.epochs} epochs" if options.epochs else "phase head"
    table = Table(
        f"{trained}, {options.seeds} seeds{what}: best val top-1, %",
        ["changed", "top-1", "vs none (median, lowest to highest)", "loss", "best epoch"],
    )
    first = next(iter(found))
    for name, made in found.items():
        more = [100 * (a.val_top1 - b.val_top1) for a, b in zip(made, found[first], strict=True)]
        table.add(
            name,
            f"{100 * mean(e.val_top1 for e in made):.2f}",
            NOTHING if name == first else spread(more, 2),
            f"{mean(e.val_loss for e in made):.3f}",
            f"{mean(e.epoch for e in made):.1f}",
        )
    return table


def _parser() -> argparse.ArgumentParser:
    parser = options_parser(__doc__)
    add_data_options(parser)
    parser.add_argument(
        "--only", default=",".join(list(VARIANTS)[:7]), help="comma-separated names"
    )
    parser.add_argument("--uneven", type=int, default=1, metavar="N")
    parser.add_argument("--uneven-val", action="store_true")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    add_recipe_options(parser)
    return parser


def _quick(options: Options, work: Path) -> Report:
    if options.quick:
        options.seeds, options.only, options.limit = 1, "none,ema 0.999", 8
        options.epochs, options.model, options.weights = 2, "test_convnext", None
    return measure(options, work)


if __name__ == "__main__":
    sys.exit(main(_parser(), _quick))
