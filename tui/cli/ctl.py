"""The command `ctl`: send a command to a run or study of another process."""

import sys
from pathlib import Path

import click

from core.study.definition import Study, find_run_or_study
from tui.cli.options import runs_dir_option
from tui.cli.outputs import write_errors
from tui.runtime.remote_control import ACTIONS, make_command, send_command
from tui.runtime.study_control import send_to_study


@click.command()
@click.argument("run")
@click.argument("action", type=click.Choice(ACTIONS))
@click.argument("value", required=False)
@click.option("--wait", is_flag=True, help="Wait for the reply as long as the run's process lives.")
@runs_dir_option
def ctl(run: str, action: str, value: str | None, wait: bool, runs_dir: Path) -> None:
    """Send a command to a run or study of another process.

    Commands: pause, resume, save, stop, next-phase, patience N, lr X. In place of RUN a study can
    be given: pause, resume and stop act on all its running members, and stop ends the study.

    Exit codes: 0 applied, 1 refused, 2 invalid arguments, 3 no reply in time.
    """
    found = find_run_or_study(runs_dir, run)
    with write_errors(found.path):
        if isinstance(found, Study):
            code, message = send_to_study(found, action, value, wait)
        else:
            code, message = send_command(found, make_command(action, value), wait)
    click.echo(message)
    sys.exit(code)
