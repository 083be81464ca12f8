"""The command `lr-find`: find a learning rate with a range test."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.common.errors import SetupError
from core.common.text import printable
from core.config.devices import DEVICES
from core.config.phases import PHASES
from tui.cli.options import runs_dir_option

if TYPE_CHECKING:
    from core.config.schema import Config
    from core.events.types import Event
    from core.run.folder import RunFolder
    from core.session.lr_find import LrRangeTest
    from tui.cli.progress_bars import ProgressBar

_CHART_ROWS = 17


def _finite(context: click.Context, parameter: click.Parameter, value: float) -> float:
    if not 0 < value < math.inf:
        raise click.BadParameter(f"{value} is not a positive number", context, parameter)
    return value


@click.command()
@click.option("--data", metavar="DIR", help="Folder of images with one subfolder per class.")
@click.option("--demo", is_flag=True, help="Use the built-in images and their preset.")
@click.option(
    "--config",
    "preset",
    metavar="NAME|FILE",
    help="Preset or YAML file. [default: default, with --from that of the run]",
)
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Set a config key; repeatable."
)
@click.option("--phase", type=click.Choice(PHASES), help="Phase to test. [default: the first one]")
@click.option(
    "--from",
    "start",
    metavar="RUN",
    help="Run whose weights phase full starts from. [default: a briefly trained head]",
)
@click.option(
    "--steps",
    type=click.IntRange(20, 10_000),
    default=100,
    show_default=True,
    metavar="N",
    help="Training steps, each with another learning rate.",
)
@click.option(
    "--min-lr",
    type=float,
    default=1e-6,
    show_default=True,
    metavar="LR",
    callback=_finite,
    help="Lowest learning rate.",
)
@click.option(
    "--max-lr",
    type=float,
    default=10.0,
    show_default=True,
    metavar="LR",
    callback=_finite,
    help="Highest learning rate.",
)
@click.option("--device", type=click.Choice(DEVICES), help="Device to train on.")
@click.option("--seed", type=int, metavar="N", help="Seed of split, order and augmentation.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.option(
    "--progress", is_flag=True, help="Print the progress to standard error, a JSON object per line."
)
@click.option("--width", type=click.IntRange(40, 1000), metavar="N", help="Width in columns.")
@runs_dir_option
@click.pass_context
def lr_find(context: click.Context, /, **options: Any) -> None:
    """Find a learning rate with a range test.

    The phase trains for --steps steps while the learning rate rises from --min-lr to --max-lr; it
    ends earlier when the loss diverges. The suggested rate is a tenth of the rate with the lowest
    loss. Weights are discarded, and no run is created.

    \b
      convnext-tui lr-find --data photos/
      convnext-tui lr-find --data photos/ --phase full --steps 200
      convnext-tui lr-find --from RUN --phase full --json
    """
    from core.analysis.lr_range import RangeTestFailed
    from core.session import lr_find as session
    from tui.cli.progress_bars import progress_bar
    from tui.cli.quiet_libraries import quiet_libraries

    config, start = _config(options)
    try:
        with quiet_libraries(), progress_bar(session.STAGE) as bar:
            test = session.find_lr(
                config,
                options["phase"],
                steps=options["steps"],
                min_lr=options["min_lr"],
                max_lr=options["max_lr"],
                start=start,
                on_event=lambda event: _show(event, bar, options["progress"]),
            )
    except RangeTestFailed as error:
        click.echo(f"error: {error}", err=True)
        context.exit(1)
    if options["as_json"]:
        click.echo(json.dumps(test.to_dict(), allow_nan=False, indent=2))
    else:
        _print(test, options["width"])


def _config(options: dict[str, Any]) -> "tuple[Config, RunFolder | None]":
    """Return the configuration, and the run to start from, if one is given."""
    from core.config.load import load_config
    from core.demo.config import demo_config
    from core.run.find import find_run

    keys = {"data.root": options["data"], "device": options["device"], "seed": options["seed"]}
    values = {key: value for key, value in keys.items() if value is not None}
    preset: str | Path | None = options["preset"]
    if options["demo"]:
        if options["data"] is not None or preset is not None:
            raise SetupError("--demo has its own data and preset: omit --data and --config")
        return demo_config(options["overrides"], values), None
    start = find_run(options["runs_dir"], options["start"]) if options["start"] else None
    if preset is None:
        preset = start.config if start else "default"
    return load_config(preset, options["overrides"], values), start


def _show(event: "Event", bar: "ProgressBar", as_json: bool) -> None:
    """Show the progress of preparation and test; print warnings to standard error."""
    from core.events.describe import describe

    if (progress := _progress(event)) is not None:
        stage, done, total = progress
        if as_json:
            click.echo(json.dumps({"stage": stage, "done": done, "total": total}), err=True)
        else:
            bar.update(done, total, stage)
    elif (message := describe(event)) is not None and message.level in ("warning", "error"):
        click.echo(f"warning: {message.text}", err=True)


def _progress(event: "Event") -> tuple[str, int, int | None] | None:
    """Return the stage of an event with its finished and its total steps."""
    from core.events.types import Preparing, Progress

    if isinstance(event, Preparing):
        return event.stage, event.done, event.total or None
    if isinstance(event, Progress):
        label = f"training the classifier head, epoch {event.epoch}"
        return label, event.step, event.steps
    return None


def _print(test: "LrRangeTest", width: int | None) -> None:
    from rich.text import Text

    from tui.charts import lr_range
    from tui.charts.printed import draw_printed
    from tui.cli.console import open_console
    from tui.text.lr_range import headline, verdict

    console = open_console(width)
    console.print(Text(headline(test), style="bold"))
    console.print(draw_printed(lr_range.chart(test), console.width, _CHART_ROWS))
    console.print(Text(lr_range.legend(test), style="dim"))
    console.print()
    for line in verdict(test):
        console.print(Text(printable(line)))
