"""The command `compare`: compare runs."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.common.errors import SetupError
from core.common.format import counted
from tui.cli.options import runs_dir_option
from tui.cli.outputs import write_output

if TYPE_CHECKING:
    from core.analysis.compare import ComparedRun
    from tui.charts.compare import CompareView


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN…")
@click.option(
    "--group-by",
    "key",
    metavar="KEY",
    help="Compare groups of runs with the same value of a config key: mean, std and intervals.",
)
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
    key: str | None,
    as_json: bool,
    table: str | None,
    curves: str | None,
    svg: str | None,
    figure: str,
    axis: str,
    runs_dir: Path,
) -> None:
    """Compare two to eight runs. Shows results with the best run of each, and config differences.

    \b
      convnext-tui compare 20261124-12 20261124-13
      convnext-tui compare RUN RUN --svg loss.svg --figure val_loss --x unfreeze

    Compare studies, or groups of any number of runs, by their mean and spread. Shows whether the
    results support that one group is better than another. A single study is compared run by run. A
    sweep stands for its best trials.

    \b
      convnext-tui compare STUDY
      convnext-tui compare STUDY STUDY
      convnext-tui compare RUN RUN RUN RUN --group-by model.name

    The file name - is standard output.
    """
    from core.study.find_runs import find_runs
    from core.study.run_groups import STUDY
    from tui.charts.compare import compare_view

    view = compare_view(figure, axis)
    found = find_runs(runs_dir, runs)
    if found.note:
        click.echo(found.note, err=True)
    key = key or (STUDY if found.has_study and len(runs) > 1 else None)
    output = _groups(found.paths, key, view) if key else _runs(found.paths, view)
    for target, text in ((table, output.table), (curves, output.curves), (svg, output.svg)):
        if target:
            write_output(target, text())
    if as_json:
        click.echo(json.dumps(output.plain(), indent=2))
    elif not (table or curves or svg):
        output.print()


@dataclass(frozen=True, slots=True)
class _Output:
    """The forms in which a comparison is written."""

    table: Callable[[], str]
    curves: Callable[[], str]
    svg: Callable[[], str]
    plain: Callable[[], dict[str, Any]]
    print: Callable[[], None]


def _runs(paths: Sequence[Path], view: "CompareView") -> _Output:
    from core.analysis.compare import FEWEST, LETTERS, MOST
    from core.analysis.compare_export import curves_csv, table_csv, to_plain
    from tui.charts.compare import svg
    from tui.charts.svg import draw_svg
    from tui.text.compare_table import print_comparison

    if not FEWEST <= len(paths) <= MOST:
        given = counted(len(paths), "different run")
        raise SetupError(
            f"compare takes {FEWEST} to {MOST} runs, but was given {given}; more are compared in"
            " groups by --group-by KEY"
        )
    runs = _read(paths, LETTERS)
    return _Output(
        table=lambda: table_csv(runs),
        curves=lambda: curves_csv(runs),
        svg=lambda: draw_svg(svg(runs, view)),
        plain=lambda: to_plain(runs),
        print=lambda: print_comparison(runs),
    )


def _groups(paths: Sequence[Path], key: str, view: "CompareView") -> _Output:
    from core.analysis.compare_export import curves_csv
    from core.study.run_groups import group_runs, read_splits
    from core.study.run_groups_export import groups_csv, groups_to_plain
    from tui.charts.group_compare import group_svg
    from tui.charts.svg import draw_svg
    from tui.text.group_table import print_groups, verdicts

    groups = group_runs(_read(paths, [""] * len(paths)), key, read_splits(paths))
    return _Output(
        table=lambda: groups_csv(groups),
        curves=lambda: curves_csv([run for group in groups for run in group.runs]),
        svg=lambda: draw_svg(group_svg(groups, view)),
        plain=lambda: groups_to_plain(groups, key, verdicts),
        print=lambda: print_groups(groups),
    )


def _read(paths: Sequence[Path], letters: Sequence[str]) -> "tuple[ComparedRun, ...]":
    from tui.viewmodel.comparison import Comparison

    comparison = Comparison(paths, letters)
    compared = comparison.read()
    if comparison.error:
        click.echo(comparison.error, err=True)
    return compared
