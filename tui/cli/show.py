"""Subcommands that print or export one run, or show all of them to a browser."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.common.errors import SetupError
from core.common.text import printable
from tui.cli.runs import folder_of
from tui.preferences.settings import CHOICES

if TYPE_CHECKING:
    from core.run.report import RunReport


@click.command()
@click.argument("run", required=False)
@click.option("--json", "form", flag_value="json", help="All of it as one JSON object.")
@click.option("--csv", "form", flag_value="csv", help="Its epochs, as history.csv has them.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    type=click.Choice(CHOICES["chart"]),
    help="What to draw; repeatable. [default: loss, top1]",
)
@click.option("--no-chart", is_flag=True, help="The summary alone.")
@click.option("--width", type=click.IntRange(40, 1000), metavar="N", help="Columns to use.")
@click.option("--runs-dir", metavar="DIR", help="Where the runs are.")
@click.pass_context
def show(
    context: click.Context,
    run: str | None,
    form: str | None,
    metrics: tuple[str, ...],
    no_chart: bool,
    width: int | None,
    runs_dir: str | None,
) -> None:
    """Print one run with its charts, once; without RUN the newest.

    For a terminal or a log; it writes nothing and reads runs that still go on.
    """
    report = _report(folder_of(context, runs_dir), run)
    if form == "json":
        click.echo(report.to_json())
    elif form == "csv":
        click.echo(report.to_csv(), nl=False)
    else:
        from tui.cli.run_summary import print_run

        print_run(report, () if no_chart else (metrics or ("loss", "top1")), width)


@click.command("export-logs")
@click.argument("run", required=False)
@click.option(
    "--to", "kind", type=click.Choice(["tensorboard"]), required=True, help="For which program."
)
@click.option(
    "--out",
    default="tensorboard",
    show_default=True,
    metavar="DIR",
    help="Where to; each run has a folder of its name there.",
)
@click.option("--runs-dir", metavar="DIR", help="Where the runs are.")
@click.pass_context
def export_logs(
    context: click.Context, run: str | None, kind: str, out: str, runs_dir: str | None
) -> None:
    """Write the figures of a run for another program; without RUN the newest.

    What an earlier export of the run has written is replaced.
    """
    from core.common.format import count
    from tui.cli.tensorboard import export

    report = _report(folder_of(context, runs_dir), run)
    try:
        folder, figures = export(report, Path(out))
    except OSError as error:
        raise SetupError(f"{out} can't be written: {error.strerror or error}") from None
    click.echo(
        f"{count(figures)} figures in {printable(str(folder))}; "
        f"look with: tensorboard --logdir {printable(out)}"
    )


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--runs-dir", metavar="DIR", help="Where the runs are.")
@click.pass_context
def serve(context: click.Context, host: str, port: int, runs_dir: str | None) -> None:
    """Show the runs in a browser, to look at only: nothing can be started or changed there.

    It listens to this machine alone, unless --host says otherwise.
    """
    try:
        from tui.runtime.web_server import is_loopback
        from tui.runtime.web_server import serve as listen
    except ImportError:
        raise SetupError("this needs textual-serve: pip install 'convnext-tui[web]'") from None

    if not is_loopback(host):
        click.echo(
            f"warning: whoever reaches port {port} of this machine sees the runs, "
            "their configurations and pictures; there is no password and no encryption",
            err=True,
        )
    try:
        listen(folder_of(context, runs_dir), host, port)
    except OSError as error:
        where = f"{printable(host)} port {port}"
        raise SetupError(f"can't listen at {where}: {error.strerror or error}") from None


def _report(runs_dir: Path, run: str | None) -> "RunReport":
    from core.run.find import find_run
    from core.run.folder import run_folders
    from core.run.report import read_report

    folder = find_run(runs_dir, run) if run else next(run_folders(runs_dir), None)
    if folder is None:
        raise SetupError(f"no runs in {printable(str(runs_dir))} yet; try: convnext-tui --demo")
    try:
        return read_report(folder)
    except OSError as error:
        shown = printable(str(folder.path))
        raise SetupError(f"{shown} can't be read: {error.strerror or error}") from None
