"""The command `ctl`: send a command to a run of another process."""

import sys
from pathlib import Path

import click

from core.run.find import find_run
from tui.cli.options import runs_dir_option
from tui.cli.outputs import write_errors
from tui.runtime.remote_control import ACTIONS, make_command, send_command


@click.command()
@click.argument("run")
@click.argument("action", type=click.Choice(ACTIONS))
@click.argument("value", required=False)
@click.option("--wait", is_flag=True, help="Wait for the reply as long as the run's process lives.")
@runs_dir_option
def ctl(run: str, action: str, value: str | None, wait: bool, runs_dir: Path) -> None:
    """Send a command to a run of another process.

    Commands: pause, resume, save, stop, next-phase, patience N, lr X.

    Exit codes: 0 applied, 1 refused, 2 invalid arguments, 3 no reply in time.
    """
    folder = find_run(runs_dir, run)
    command = make_command(action, value)
    with write_errors(folder.path):
        code, message = send_command(folder, command, wait)
    click.echo(message)
    sys.exit(code)
