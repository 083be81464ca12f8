"""The command `keys`: list the config keys, or the app's key bindings."""

import click


@click.command()
@click.option("--app", is_flag=True, help="List the app's key bindings instead, as Markdown.")
def keys(app: bool) -> None:
    """List the config keys with their defaults. Shows allowed values and meanings too."""
    if app:
        from tui.cli.key_bindings_page import key_bindings_page

        click.echo(key_bindings_page(), nl=False)
        return
    from core.config.key_docs import all_keys, allowed_values, default_value, describe_key

    for key in all_keys():
        click.echo(f"{key} = {default_value(key)}\n    {describe_key(key)} ({allowed_values(key)})")
