"""The command `attach`: show and steer a run or study of another process."""

import sys
from pathlib import Path

import click

from core.study.definition import find_run_or_study
from tui.cli.open_app import app_options, open_app, require_terminal
from tui.cli.options import runs_dir_option
from tui.runtime.remote_control import newest_active_run


@click.command()
@click.argument("run", required=False)
@runs_dir_option
@click.pass_context
def attach(context: click.Context, run: str | None, runs_dir: Path) -> None:
    """Show and steer a run of another process.

    Without RUN it shows the newest run in progress. In place of RUN a study can be given.
    """
    folder = find_run_or_study(runs_dir, run) if run else newest_active_run(runs_dir)
    require_terminal()
    sys.exit(open_app(app_options(context, runs_dir), show=folder.path))
