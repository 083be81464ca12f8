"""Subcommands about the program itself: its keys, its settings, its cache."""

import click

from core.common.errors import SetupError


@click.command()
@click.option("--app", is_flag=True, help="The app's keys instead, place by place, as Markdown.")
def keys(app: bool) -> None:
    """List every configuration key with its default, what it takes and what it means."""
    if app:
        from tui.cli.key_bindings_page import keys_page

        click.echo(keys_page(), nl=False)
        return
    from core.config.load import all_keys, allowed, default_value, describe_key

    for key in all_keys():
        click.echo(f"{key} = {default_value(key)}\n    {describe_key(key)} ({allowed(key)})")


@click.command()
@click.argument("name", required=False)
@click.argument("value", required=False)
def settings(name: str | None, value: str | None) -> None:
    """Show the app's settings, or set NAME to VALUE; keys in the app change most of them too."""
    from tui.preferences.settings import CHOICES, MEANINGS, NAMES, SettingsFile, changed

    file = SettingsFile()
    now = file.read()
    if name is not None:
        if value is None:
            raise SetupError(f"settings {name} needs a value; `convnext-tui settings` lists them")
        now = changed(now, name, value)
        try:
            file.write(now)
        except OSError as error:
            raise SetupError(f"{file.path} can't be written: {error.strerror or error}") from None
    for each in NAMES:
        allowed = f" ({', '.join(CHOICES[each])})" if each in CHOICES else ""
        click.echo(f"{each} = {getattr(now, each)}\n    {MEANINGS[each]}{allowed}")
    click.echo(f"kept in {file.path}")
    if file.trouble:
        click.echo(f"warning: {file.trouble}", err=True)


@click.command()
@click.option("--clear", is_flag=True, help="Delete all of it; it is made again when needed.")
def cache(clear: bool) -> None:
    """Show what is kept between runs: features of frozen backbones, the demo's pictures."""
    from core.common import cache_dir as kept
    from core.common.format import size

    if clear:
        click.echo(f"freed {size(kept.clear())} in {kept.cache_dir()}")
        return
    found = kept.entries()
    for entry in found:
        name = entry.path.relative_to(kept.cache_dir())
        click.echo(f"{size(entry.bytes):>8}  {name}")
    click.echo(f"{size(sum(entry.bytes for entry in found)):>8}  in all, in {kept.cache_dir()}")
