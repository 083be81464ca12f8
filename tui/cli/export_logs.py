"""The command `export-logs`: export a run's metrics for another program."""

from pathlib import Path

import click

from core.common.format import counted
from core.common.text import printable
from tui.cli.options import runs_dir_option
from tui.cli.outputs import write_errors
from tui.cli.run_report import read_run


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

    Files of an earlier export of the same run are replaced.
    """
    from tui.cli.tensorboard import export

    report = read_run(runs_dir, run)
    with write_errors(out):
        folder, values = export(report, Path(out))
    click.echo(
        f"{counted(values, 'value')} in {printable(str(folder))}; "
        f"open with: tensorboard --logdir {printable(out)}"
    )
