"""The command `runs`: list runs."""

import json
from pathlib import Path

import click

from core.common.errors import SetupError
from core.run.query import QueryError, parse
from core.run.run_list import RunList
from tui.cli.options import require_runs_dir, runs_dir_option


# A query may begin with a minus: an unknown option is part of it.
@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("query", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@runs_dir_option
def runs(query: tuple[str, ...], as_json: bool, runs_dir: Path) -> None:
    """List runs, newest first. With QUERY it lists the runs that match.

    \b
      convnext-tui runs status:finished 'top1>0.95' sort:-top1
      convnext-tui runs model:atto -tag:old 'data.batch_size=64' 'started>7d'
      convnext-tui runs is:archived
    """
    try:
        parsed = parse(" ".join(query))
    except QueryError as error:
        raise SetupError(str(error)) from None
    require_runs_dir(runs_dir)
    all_runs = RunList(runs_dir).refresh()
    rows = parsed.apply(all_runs)
    if as_json:
        click.echo(json.dumps([row.to_dict() for row in rows], indent=2))
        return
    from tui.cli.run_table import print_runs

    print_runs(rows, runs_dir, len(all_runs))
