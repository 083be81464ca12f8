"""The command `evaluate`: evaluate a run's model on images of known classes."""

import json
import time
from typing import TYPE_CHECKING, Any

import click

from core.common.errors import os_error_text
from core.common.text import printable
from tui.cli.options import predictor_options
from tui.cli.outputs import check_outputs, write_output

if TYPE_CHECKING:
    from core.run.folder import RunFolder


@click.command()
@click.argument("run")
@click.argument("folder", required=False, metavar="[DIR]")
@click.option(
    "--part",
    type=click.Choice(["test", "val", "train"]),
    help="Split of DIR, or of the run's own images. [default: test, else val]",
)
@click.option(
    "--tta",
    type=click.Choice(["flip", "five-crop", "multi-scale"]),
    help="Also evaluate with test-time augmentation.",
)
@click.option("--no-keep", is_flag=True, help="Don't save the evaluation in the run folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the evaluation as one JSON object.")
@click.option("--csv", "table", metavar="FILE", help="Write the per-class metrics as CSV.")
@click.option("--html", metavar="FILE", help="Write a report with images as one HTML file.")
@predictor_options
def evaluate(
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
    """Evaluate a run's model on images.

    DIR has one subfolder per class, or subfolders test/ or val/ that do. Without DIR it evaluates
    on the run's own test or validation images.

    \b
      convnext-tui evaluate RUN photos/ --part test --tta flip --html report.html

    Metrics are fractions from 0 to 1 with 95% bootstrap intervals. The evaluation is saved in the
    run folder and shown in the app.
    """
    from core.data.sources import parse_location, source_of
    from core.inference import api
    from core.inference.labeled_images import class_folders
    from tui.cli.predictor import load_predictor
    from tui.cli.progress_bars import progress_bar

    check_outputs(("--csv", table), ("--html", html))
    location = parse_location(folder) if folder is not None else None
    if location is not None and not source_of(location).is_remote:  # that would be listed twice
        class_folders(location)  # reports a mistyped folder before torch is imported
    predictor = load_predictor(run, options)
    with progress_bar("evaluating") as bar:
        result = api.evaluate(predictor, folder, part, tta, bar.advance)
    if not no_keep:
        _save(predictor.run.folder, result.to_dict())
    if table is not None:
        write_output(table, result.to_csv())
    if html is not None:
        from core.inference.html_report import html_report

        write_output(html, html_report(result))
    if as_json:
        click.echo(json.dumps(result.to_dict(), allow_nan=False, indent=2))
    else:
        from tui.cli.evaluation_table import print_evaluation

        print_evaluation(result)


def _save(folder: "RunFolder", content: dict[str, Any]) -> None:
    """Save an evaluation in the run folder; a folder of another user may not be writable."""
    from core.run.saved_evaluations import save_evaluation

    try:
        save_evaluation(folder, content, time.time())
    except OSError as error:
        reason = printable(os_error_text(error))
        click.echo(f"evaluation not saved in the run folder: {reason}", err=True)
