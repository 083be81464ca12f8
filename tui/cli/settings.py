"""The command `settings`: show or change the app's settings."""

import click

from core.common.errors import SetupError
from tui.cli.outputs import write_errors
from tui.preferences.settings import DESCRIPTIONS, NAMES, SettingsFile, allowed_values, with_setting


@click.command()
@click.argument("name", required=False)
@click.argument("value", required=False)
def settings(name: str | None, value: str | None) -> None:
    """Show or change the app's settings. Most can be changed by keys in the app too.

    Without arguments it shows them; with NAME and VALUE it sets one.
    """
    file = SettingsFile()
    current = file.read()
    if name is not None:
        if value is None:
            raise SetupError(f"settings {name} needs a value; `convnext-tui settings` lists them")
        current = with_setting(current, name, value)
        with write_errors(file.path):
            file.write(current, [name])
    for each in NAMES:
        allowed = f" ({', '.join(allowed_values()[each])})" if each in allowed_values() else ""
        click.echo(f"{each} = {getattr(current, each)}\n    {DESCRIPTIONS[each]}{allowed}")
    click.echo(f"saved in {file.path}")
    if file.error:
        click.echo(f"warning: {file.error}", err=True)
