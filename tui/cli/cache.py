"""The command `cache`: show or clear the cache."""

import click

from core.common import cache as store
from core.common.format import size
from core.common.user_dirs import cache_dir


@click.command()
@click.option("--clear", is_flag=True, help="Delete everything; it is recomputed when needed.")
def cache(clear: bool) -> None:
    """Show or clear the cache. It holds features of frozen backbones and the demo's images."""
    folder = cache_dir()
    if clear:
        click.echo(f"freed {size(store.clear())} in {folder}")
        return
    entries = store.entries()
    for entry in entries:
        click.echo(f"{size(entry.bytes):>8}  {entry.path.relative_to(folder)}")
    click.echo(f"{size(sum(entry.bytes for entry in entries)):>8}  total, in {folder}")
