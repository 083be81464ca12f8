"""Effect of cached features on accuracy: phase head by number of views, 0 = new ones every epoch.

    python -m tests.benchmarks.views --data DIR --weights FILE [--quick] [--json FILE]

Otherwise the same training, with one seed per round, which changes split, classifier, order and
augmentation. `top-1` is that of the best epoch, from which phase full starts. By these results, the
preset `default` has the fewest views without a loss. Seconds are those of the phase with an empty
cache; other programs on the machine disturb them, but not the accuracy.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

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
    median,
    options_parser,
    say,
    spread,
)
from tests.benchmarks.peers import this_program
from tests.benchmarks.peers.recipe import Outcome, Recipe


def measure(options: Options, work: Path) -> Report:
    """Train with each number of views, seed after seed."""
    data = image_folder(options.data, work, options.limit)
    counts = [int(text) for text in options.views.split(",")]
    found: dict[int, list[Outcome]] = defaultdict(list)
    for seed in range(1, options.seeds + 1):
        recipe = Recipe(
            data=str(data),
            weights=str(options.weights.resolve()) if options.weights else None,
            model=options.model,
            phase="head",
            epochs=options.epochs,
            seed=seed,
            image_size=options.image_size,
        )
        for views in counts:
            keys = [f"phases.head.views={views}", *options.set]
            outcome, _ = this_program.train(recipe, work / f"{seed}-{views}", keys)
            found[views].append(outcome)
            say(f"seed {seed}, {views} views: top-1 {100 * max(outcome.val_top1):.2f}%")
    values = {str(views): [vars(outcome) for outcome in made] for views, made in found.items()}
    return Report(tables=[_table(found, options)], values=values)


def _table(found: dict[int, list[Outcome]], options: Options) -> Table:
    table = Table(
        f"phase head, {options.epochs} epochs, {options.seeds} seeds: best val top-1, %",
        ["views", "mean", "vs new ones every epoch (median, lowest to highest)", "seconds"],
    )
    best = {views: [100 * max(one.val_top1) for one in made] for views, made in found.items()}
    for views, made in found.items():
        more = [a - b for a, b in zip(best[views], best.get(0, best[views]), strict=True)]
        seconds = f"{median(one.seconds for one in made):.1f}"
        table.add(str(views), f"{mean(best[views]):.2f}", _signed(views, more), seconds)
    return table


def _signed(views: int, more: list[float]) -> str:
    return NOTHING if views == 0 else spread(more, 2)


def _parser() -> argparse.ArgumentParser:
    parser = options_parser(__doc__)
    add_data_options(parser)
    parser.add_argument("--views", default="0,1,2,4,8", help="comma-separated numbers")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=30)
    add_recipe_options(parser)
    return parser


def _quick(options: Options, work: Path) -> Report:
    if options.quick:
        options.seeds, options.views, options.limit = 1, "0,1", 8
        options.epochs, options.model, options.weights = 2, "test_convnext", None
    return measure(options, work)


if __name__ == "__main__":
    sys.exit(main(_parser(), _quick))
