"""The command `settings`: show or change the app's settings."""

import click

from core.common.errors import SetupError
from tui.cli.outputs import write_errors
from tui.preferences.settings import CHOICES, MEANINGS, NAMES, SettingsFile, changed


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
        current = changed(current, name, value)
        with write_errors(file.path):
            file.write(current)
    for each in NAMES:
        allowed = f" ({', '.join(CHOICES[each])})" if each in CHOICES else ""
        click.echo(f"{each} = {getattr(current, each)}\n    {MEANINGS[each]}{allowed}")
    click.echo(f"saved in {file.path}")
    if file.trouble:
        click.echo(f"warning: {file.trouble}", err=True)
