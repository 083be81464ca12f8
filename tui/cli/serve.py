"""The command `serve`: show the runs read-only in a browser."""

from pathlib import Path

import click

from core.common.errors import SetupError, os_error_text
from core.common.text import printable
from tui.cli.options import runs_dir_option


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@runs_dir_option
def serve(host: str, port: int, runs_dir: Path) -> None:
    """Show the runs read-only in a browser. Nothing can be started or changed there.

    The server is reachable from this machine only, unless --host says otherwise.
    """
    try:
        from tui.runtime.web_server import is_loopback
        from tui.runtime.web_server import serve as listen
    except ImportError:
        raise SetupError("`serve` needs textual-serve: pip install 'convnext-tui[web]'") from None
    if not is_loopback(host):
        click.echo(
            f"warning: anyone who can reach port {port} of this machine sees the runs, their "
            "configurations and images; there is no password and no encryption",
            err=True,
        )
    try:
        listen(runs_dir, host, port)
    except OSError as error:
        reason = os_error_text(error)
        raise SetupError(f"can't listen on {printable(host)} port {port}: {reason}") from None
