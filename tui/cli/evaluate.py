"""The subcommand that evaluates a run's network on pictures of known classes."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.common.text import printable
from core.data.storage import place_of
from tui.cli.outputs import check_outputs, writing
from tui.cli.predict import load, predictor_options

if TYPE_CHECKING:
    from core.inference.evaluation_result import EvaluationResult
    from core.run.folder import RunFolder


@click.command()
@click.argument("run")
@click.argument("folder", required=False, metavar="[DIR]")
@click.option(
    "--part",
    type=click.Choice(["test", "val", "train"]),
    help="Which part of DIR, or of the run's own pictures. [default: test, else val]",
)
@click.option(
    "--tta",
    type=click.Choice(["flip", "five-crop", "multi-scale"]),
    help="Evaluate by the mean of several views a picture too.",
)
@click.option("--no-keep", is_flag=True, help="Leave nothing in the run's folder.")
@click.option("--json", "as_json", is_flag=True, help="All of it as one JSON object.")
@click.option("--csv", "table", metavar="FILE", help="Write the classes as CSV.")
@click.option("--html", metavar="FILE", help="Write a report with pictures, one file.")
@predictor_options
@click.pass_context
def evaluate(
    context: click.Context,
    /,
    run: str,
    folder: str | None,
    part: str | None,
    tta: str | None,
    no_keep: bool,
    as_json: bool,
    table: str | None,
    html: str | None,
    **options: Any,
) -> None:
    """Evaluate a run's network on DIR, which holds one folder a class, or test/ or val/ that do;
    without DIR on the pictures that the run has kept for a test, or validated on.

    \b
      convnext-tui evaluate RUN photos/ --part test --tta flip --html report.html

    Accuracies are from 0 to 1, with 95% bootstrap intervals. What comes out is also kept in the
    run's folder, where the app shows it.
    """
    from core.inference import api as model_use
    from core.inference.labeled_images import class_folders
    from tui.cli.progress_bars import advance, working

    check_outputs(("--csv", table), ("--html", html))
    place = place_of(folder) if folder is not None else None
    if isinstance(place, Path):  # what is elsewhere would be listed twice
        class_folders(place)  # whoever has mistyped it need not wait for torch
    predictor = load(context, run, options)
    with working("evaluating") as progress:
        result = model_use.evaluate(
            predictor,
            folder,
            part,
            tta,
            lambda count: advance(progress, count),
        )
    if not no_keep:
        _keep(predictor.run.folder, result.to_plain())
    if table is not None:
        _write(table, result.to_csv())
    if html is not None:
        from core.inference.html_report import html_report

        _write(html, html_report(result))
    if as_json:
        click.echo(json.dumps(result.to_plain(), allow_nan=False, indent=2))
    else:
        _print(result)


def _keep(folder: "RunFolder", content: dict[str, Any]) -> None:
    """Put it where the app shows it; in somebody else's folder that can't be done."""
    from core.run.saved_evaluations import keep

    try:
        keep(folder, content, time.time())
    except OSError as error:
        reason = printable(error.strerror or str(error))
        click.echo(f"not kept in the run's folder: {reason}", err=True)


def _write(name: str, text: str) -> None:
    from core.common.files import write_text_atomically

    with writing(Path(name)):
        write_text_atomically(Path(name), text)


def _print(result: "EvaluationResult") -> None:
    from tui.cli.evaluation_table import print_evaluation

    print_evaluation(result)
