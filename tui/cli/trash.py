"""The command `trash`: list, restore or delete trashed runs."""

import sys
from pathlib import Path

import click

from core.common.errors import SetupError
from core.common.format import counted, size
from core.common.text import printable
from core.run.actions import ActionError, empty_trash, restore, size_of, trashed_runs
from core.run.find import find_by_id, short
from tui.cli.options import require_runs_dir, runs_dir_option


@click.command()
@click.argument("run", required=False)
@click.option("--empty", is_flag=True, help="Delete all trashed runs permanently.")
@runs_dir_option
def trash(run: str | None, empty: bool, runs_dir: Path) -> None:
    """List, restore or delete trashed runs. With RUN (an id, or the beginning of one) it restores
    that run, or a study together with its runs.
    """
    require_runs_dir(runs_dir)
    try:
        if empty:
            click.echo(f"freed {size(empty_trash(runs_dir))}")
        elif run is not None:
            _restore(runs_dir, run)
        else:
            _list(runs_dir)
    except ActionError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


def _restore(runs_dir: Path, run: str) -> None:
    trashed = find_by_id(trashed_runs(runs_dir), run)
    if trashed is None:
        raise SetupError(f"no run {short(run)} in the trash; `convnext-tui trash` lists it")
    click.echo(f"{printable(restore(trashed).id)} restored")


def _list(runs_dir: Path) -> None:
    trashed = trashed_runs(runs_dir)
    for item in trashed:
        click.echo(f"{size(size_of(item.path)):>8}  {printable(item.path.name)}")
    click.echo(f"{counted(len(trashed), 'trashed run')} in {printable(str(runs_dir))}")
