"""The command `compare`: compare runs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.common.errors import SetupError
from core.common.format import counted
from core.common.text import printable
from tui.cli.options import runs_dir_option
from tui.cli.outputs import write_output

if TYPE_CHECKING:
    from core.analysis.compare import ComparedRun


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN…")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
@click.option("--csv", "table", metavar="FILE", help="Write the table as CSV.")
@click.option("--curves", metavar="FILE", help="Write the curves as CSV, one row per epoch.")
@click.option("--svg", metavar="FILE", help="Write a chart as SVG.")
@click.option(
    "--figure", default="val_top1", show_default=True, metavar="NAME", help="Metric of the chart."
)
@click.option(
    "--x",
    "axis",
    type=click.Choice(["epoch", "step", "time", "unfreeze"]),
    default="epoch",
    show_default=True,
    help="x axis of the chart; unfreeze aligns the runs where phase full starts.",
)
@runs_dir_option
def compare(
    runs: tuple[str, ...],
    as_json: bool,
    table: str | None,
    curves: str | None,
    svg: str | None,
    figure: str,
    axis: str,
    runs_dir: Path,
) -> None:
    """Compare two to eight runs. Shows results with the best run of each, and config differences.

    In place of a RUN a study can be given: its runs are compared.

    \b
      convnext-tui compare 20261124-12 20261124-13
      convnext-tui compare RUN RUN --svg loss.svg --figure val_loss --x unfreeze

    The file name - is standard output.
    """
    from core.analysis.compare_export import curves_csv, table_csv, to_plain
    from tui.charts.compare import compare_view
    from tui.charts.compare import svg as svg_of
    from tui.charts.svg import draw_svg
    from tui.text.compare_table import print_comparison

    view = compare_view(figure, axis)
    compared = _read(runs_dir, runs)
    if table:
        write_output(table, table_csv(compared))
    if curves:
        write_output(curves, curves_csv(compared))
    if svg:
        write_output(svg, draw_svg(svg_of(compared, view)))
    if as_json:
        click.echo(json.dumps(to_plain(compared), indent=2))
    elif not (table or curves or svg):
        print_comparison(compared)


def _read(runs_dir: Path, names: Sequence[str]) -> "tuple[ComparedRun, ...]":
    from core.analysis.compare import FEWEST, MOST
    from tui.viewmodel.comparison import Comparison

    paths = list(dict.fromkeys(path for name in names for path in _paths(runs_dir, name)))
    if not FEWEST <= len(paths) <= MOST:
        given = counted(len(paths), "different run")
        raise SetupError(f"compare takes {FEWEST} to {MOST} runs, but was given {given}")
    comparison = Comparison(paths)
    compared = comparison.read()
    if comparison.error:
        click.echo(comparison.error, err=True)
    return compared


def _paths(runs_dir: Path, name: str) -> list[Path]:
    """Return the folder of a run, or those of the runs of a study; raises SetupError."""
    from core.run.folder import RunFolder
    from core.run.run_list import RunList
    from core.study.definition import find_run_or_study
    from core.study.members import study_runs

    found = find_run_or_study(runs_dir, name)
    if isinstance(found, RunFolder):
        return [found.path]
    rows = study_runs(found.id, RunList(found.runs_dir).refresh())
    if not rows:
        raise SetupError(f"study {printable(found.id)} has no runs yet")
    return [Path(row.path) for row in rows]
