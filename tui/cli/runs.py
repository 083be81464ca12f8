"""Subcommands that look at past runs without the app."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.common.errors import SetupError

if TYPE_CHECKING:
    from core.analysis.compare import ComparedRun


# A query may begin with a minus: what is no option is part of it.
@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("query", nargs=-1)
@click.option("--runs-dir", metavar="DIR", help="Where the runs are.")
@click.option("--json", "as_json", is_flag=True, help="A JSON list instead of a table.")
@click.pass_context
def runs(
    context: click.Context, query: tuple[str, ...], runs_dir: str | None, as_json: bool
) -> None:
    """List past and running runs, newest first; with QUERY those that fit it.

    \b
      convnext-tui runs status:finished 'top1>0.95' sort:-top1
      convnext-tui runs model:atto -tag:old 'data.batch_size=64' 'started>7d'
      convnext-tui runs is:archived
    """
    from core.run.folder import RunList
    from core.run.query import QueryError, parse

    folder = folder_of(context, runs_dir)
    try:
        wanted = parse(" ".join(query))
    except QueryError as error:
        raise SetupError(str(error)) from None
    everything = RunList(folder).refresh()
    rows = wanted.apply(everything)
    if as_json:
        click.echo(json.dumps([row.to_dict() for row in rows], indent=2))
        return
    from tui.cli.run_table import print_runs

    print_runs(rows, folder, len(everything))


@click.command()
@click.argument("run", required=False)
@click.option("--runs-dir", metavar="DIR", help="Where the runs are.")
@click.option("--empty", is_flag=True, help="Delete all of it for good.")
@click.pass_context
def trash(context: click.Context, run: str | None, runs_dir: str | None, empty: bool) -> None:
    """List deleted runs; with RUN (an id, or a beginning of one) bring that one back."""
    from core.common.format import size
    from core.common.text import printable
    from core.run.actions import ActionError, empty_trash, in_trash, restore, size_of

    folder = folder_of(context, runs_dir)
    found = in_trash(folder)
    try:
        if empty:
            click.echo(f"freed {size(empty_trash(folder))}")
        elif run is not None:
            fitting = [item for item in found if item.id.startswith(run)]
            if not fitting:
                raise SetupError(f"no run {printable(run)!r} in the trash")
            click.echo(f"{printable(restore(fitting[0]).id)} is back")
        else:
            for item in found:
                click.echo(f"{size(size_of(item.path)):>8}  {printable(item.path.name)}")
            click.echo(f"{len(found)} deleted runs in {printable(str(folder))}")
    except ActionError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN…")
@click.option("--runs-dir", metavar="DIR", help="Where the runs are.")
@click.option("--json", "as_json", is_flag=True, help="The table as JSON.")
@click.option("--csv", "table", metavar="FILE", help="Write the table as CSV.")
@click.option("--curves", metavar="FILE", help="Write the curves as CSV: a line an epoch.")
@click.option("--svg", metavar="FILE", help="Write a chart as SVG.")
@click.option(
    "--figure", default="val_top1", show_default=True, metavar="NAME", help="What the chart draws."
)
@click.option(
    "--x",
    "axis",
    type=click.Choice(["epoch", "step", "time", "unfreeze"]),
    default="epoch",
    show_default=True,
    help="By what the chart's lines are aligned.",
)
@click.pass_context
def compare(
    context: click.Context,
    runs: tuple[str, ...],
    runs_dir: str | None,
    as_json: bool,
    table: str | None,
    curves: str | None,
    svg: str | None,
    figure: str,
    axis: str,
) -> None:
    """Compare two to eight runs: results with each figure's winner, configuration differences.

    \b
      convnext-tui compare 20261124-12 20261124-13
      convnext-tui compare RUN RUN --svg loss.svg --figure val_loss --x unfreeze

    A file name of - is standard output.
    """
    from core.analysis.compare_export import curves_csv, table_csv, to_plain
    from tui.charts.compare import svg as svg_of
    from tui.charts.compare import view_of
    from tui.charts.svg import draw_svg
    from tui.text.compare_table import print_comparison

    view = view_of(figure, axis)
    compared = _read(folder_of(context, runs_dir), runs)
    if table:
        _write(table, table_csv(compared))
    if curves:
        _write(curves, curves_csv(compared))
    if svg:
        _write(svg, draw_svg(svg_of(compared, view)))
    if as_json:
        click.echo(json.dumps(to_plain(compared), indent=2))
    elif not (table or curves or svg):
        print_comparison(compared)


def _read(folder: Path, names: Sequence[str]) -> "tuple[ComparedRun, ...]":
    from core.analysis.compare import FEWEST, MOST
    from core.run.find import find_run
    from tui.viewmodel.comparison import Comparison

    paths = list(dict.fromkeys(find_run(folder, name).path for name in names))
    if not FEWEST <= len(paths) <= MOST:
        raise SetupError(f"{len(paths)} different runs: {FEWEST} to {MOST} can be compared")
    comparison = Comparison(paths)
    compared = comparison.read()
    if comparison.trouble:
        click.echo(comparison.trouble, err=True)
    return compared


def _write(name: str, text: str) -> None:
    from core.common.files import write_text_atomically

    if name == "-":
        click.echo(text, nl=False)
        return
    try:
        write_text_atomically(Path(name), text)
    except OSError as error:
        raise SetupError(f"{name} can't be written: {error.strerror or error}") from None
    click.echo(f"written: {name}", err=True)


def folder_of(context: click.Context, given: str | None) -> Path:
    """Return the runs directory that a subcommand was given, or the program's."""
    assert context.parent is not None
    return Path(given or context.parent.params["runs_dir"])
