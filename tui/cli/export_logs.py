"""The command `export-logs`: export a run's metrics for another program."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.common.errors import SetupError
from core.common.format import counted
from core.common.text import printable
from tui.cli.options import runs_dir_option
from tui.cli.outputs import write_errors
from tui.cli.run_report import read_run

if TYPE_CHECKING:
    from core.study.definition import Study


@click.command("export-logs")
@click.argument("run", required=False)
@click.option(
    "--to", "kind", type=click.Choice(["tensorboard"]), required=True, help="Target program."
)
@click.option(
    "--out",
    default="tensorboard",
    show_default=True,
    metavar="DIR",
    help="Folder to write to; each run gets a subfolder.",
)
@runs_dir_option
def export_logs(run: str | None, kind: str, out: str, runs_dir: Path) -> None:
    """Export a run's metrics. Without RUN it exports the newest.

    In place of RUN a study can be given: its runs are exported to one folder, with the config keys
    in which they differ as hyperparameters. Files of an earlier export are replaced.
    """
    from core.study.definition import Study, find_run_or_study
    from tui.cli.tensorboard import export

    found = find_run_or_study(runs_dir, run) if run else None
    with write_errors(out):
        if isinstance(found, Study):
            click.echo(_export_study(found, Path(out)))
            return
        folder, values = export(read_run(runs_dir, run), Path(out))
    click.echo(
        f"{counted(values, 'value')} in {printable(str(folder))}; open with: {_command(Path(out))}"
    )


def _export_study(study: "Study", out: Path) -> str:
    """Export all runs of a study; returns a message."""
    from core.study.state import read_state
    from tui.cli.tensorboard import export

    members = read_state(study).members
    runs = [member.run for member in members if member.run is not None]
    if not runs:
        raise SetupError(f"study {printable(study.id)} has no runs yet")
    values = [member.member.values for member in members]
    keys = {key for each in values for key in each}
    varied = [key for key in sorted(keys) if len({str(each.get(key)) for each in values}) > 1]
    folder = out / study.id
    reports = (read_run(study.runs_dir, run.path) for run in runs)
    count = sum(export(report, folder, varied)[1] for report in reports)
    return (
        f"{counted(len(runs), 'run')}, {counted(count, 'value')} in {printable(str(folder))}; "
        f"open with: {_command(folder)}"
    )


def _command(folder: Path) -> str:
    return printable(f"tensorboard --logdir {shlex.quote(str(folder))}")
