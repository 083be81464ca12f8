"""The subcommand that shows what speaks for a prediction."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.common.errors import SetupError
from core.common.text import printable
from tui.cli.outputs import writing
from tui.cli.predict import in_words, load, predictor_options

if TYPE_CHECKING:
    from core.inference.explanation import Explanation

_SOME_UNREADABLE = 1


@click.command()
@click.argument("run")
@click.argument("paths", nargs=-1, required=True, metavar="IMAGE…")
@click.option("--out", metavar="DIR", help="Write an overlay of each picture there, as PNG.")
@click.option(
    "--stage",
    type=click.IntRange(1, 99),
    metavar="N",
    help="Stage of the network that Grad-CAM looks at, 1 to 4 in a ConvNeXt. [default: the last]",
)
@click.option(
    "--class", "target", metavar="NAME", help="Explain this class. [default: what is predicted]"
)
@click.option(
    "--occlusion", is_flag=True, help="A second opinion: what covering each place costs. Slower."
)
@predictor_options
@click.pass_context
def explain(
    context: click.Context,
    /,
    run: str,
    paths: tuple[str, ...],
    out: str | None,
    stage: int | None,
    target: str | None,
    occlusion: bool,
    **options: Any,
) -> None:
    """Show where in a picture a network finds what speaks for a class, by Grad-CAM.

    \b
      convnext-tui explain RUN a.jpg b.jpg
      convnext-tui explain RUN odd/ --occlusion --out heat/

    On a terminal the overlays are shown. Exit code 1 if a picture can't be read.
    """
    from core.inference import api as model_use
    from core.inference.input_paths import picture_paths
    from core.inference.prediction_rows import Row

    if out is None and not sys.stdout.isatty():
        raise SetupError("without a terminal there is nowhere to show it: give --out DIR")
    listed = picture_paths(paths)
    predictor = load(context, run, options)
    found = model_use.explain(predictor, listed, stage, target, occlusion)
    taken: set[str] = set()
    unreadable = False
    for one in found:
        if isinstance(one, Row):
            unreadable = True
            click.echo(in_words(one), err=True)
            continue
        click.echo(_told(one))
        if out is not None:
            _write(one, Path(out, _name(one.row.path, taken)))
        if sys.stdout.isatty():
            _show(one)
    if unreadable:
        sys.exit(_SOME_UNREADABLE)


def _name(path: str, taken: set[str]) -> str:
    """Return a name for a picture's overlay that no other one of this call has; not that of the
    picture itself, which may lie in the same folder."""
    stem = Path(path).stem
    name, number = f"{stem}-heat.png", 1
    while name in taken:
        number += 1
        name = f"{stem}-heat-{number}.png"
    taken.add(name)
    return name


def _told(one: "Explanation") -> str:
    from core.inference.explanation import headline

    parts = [f"{printable(one.row.path)}: {headline(one)}"]
    if len(one.maps) > 1:
        parts.append(f"covered where it hurts most, it falls by {one.maps[1].strongest:.1%}")
    if one.agreement is not None:
        parts.append(f"the two agree to {one.agreement:+.2f} (rank correlation)")
    return "; ".join(parts)


def _write(one: "Explanation", file: Path) -> None:
    from core.common.files import write_atomically
    from core.inference.explanation import draw

    sheet = draw(one)
    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, lambda binary: sheet.save(binary, format="PNG"))


def _show(one: "Explanation") -> None:
    from rich.console import Console

    from core.inference.explanation import overlay
    from tui.cli.print_images import print_images

    shown = [(one.picture, ["the picture"])]
    shown += [(overlay(one.picture, each.heat), [each.method]) for each in one.maps]
    print_images(Console(highlight=False), shown)
