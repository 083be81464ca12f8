"""Subcommands that look at past runs without the app."""

import sys
from pathlib import Path

import click

from core.errors import SetupError


@click.command()
@click.argument("run", required=False)
@click.option("--runs-dir", metavar="DIR", help="Where the runs are.")
@click.option("--empty", is_flag=True, help="Delete all of it for good.")
@click.pass_context
def trash(context: click.Context, run: str | None, runs_dir: str | None, empty: bool) -> None:
    """List deleted runs; with RUN (an id, or a beginning of one) bring that one back."""
    from core.format import size
    from core.run_actions import ActionError, empty_trash, in_trash, restore, size_of
    from core.text import printable

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


def folder_of(context: click.Context, given: str | None) -> Path:
    """Return the runs directory that a subcommand was given, or the program's."""
    assert context.parent is not None
    return Path(given or context.parent.params["runs_dir"])
