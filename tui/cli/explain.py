"""The command `explain`: explain predictions with Grad-CAM."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.common.errors import SetupError
from core.common.left_out import LeftOut, left_out_text
from core.common.text import printable
from tui.cli.options import predictor_options
from tui.cli.outputs import writing

if TYPE_CHECKING:
    from core.inference.explanation import Explanation

_SOME_UNREADABLE = 1


@click.command()
@click.argument("run")
@click.argument("paths", nargs=-1, required=True, metavar="IMAGE…")
@click.option("--out", metavar="DIR", help="Write an overlay of each image to DIR as PNG.")
@click.option(
    "--stage",
    type=click.IntRange(1, 99),
    metavar="N",
    help="Stage whose features Grad-CAM uses, 1 to 4 in a ConvNeXt. [default: the last]",
)
@click.option(
    "--class", "target", metavar="NAME", help="Class to explain. [default: the predicted class]"
)
@click.option("--occlusion", is_flag=True, help="Also compute an occlusion map; slower.")
@predictor_options
def explain(
    run: str,
    paths: tuple[str, ...],
    out: str | None,
    stage: int | None,
    target: str | None,
    occlusion: bool,
    **options: Any,
) -> None:
    """Explain predictions with Grad-CAM. Shows which image regions speak for a class.

    \b
      convnext-tui explain RUN a.jpg b.jpg
      convnext-tui explain RUN odd/ --occlusion --out heat/

    On a terminal the overlays are shown. Exit code 1 if an image can't be read.
    """
    from core.inference import api
    from core.inference.input_paths import image_paths
    from core.inference.prediction_rows import PredictionRow
    from tui.cli.prediction_text import prediction_line
    from tui.cli.predictor import load_predictor

    if out is None and not sys.stdout.isatty():
        raise SetupError("no terminal to show overlays on: give --out DIR")
    left_out = LeftOut()
    inputs = image_paths(paths, left_out)
    predictor = load_predictor(run, options)
    used_names: set[str] = set()
    unreadable = False
    for explanation in api.explain(predictor, inputs, stage, target, occlusion):
        if isinstance(explanation, PredictionRow):
            unreadable = True
            click.echo(prediction_line(explanation), err=True)
            continue
        click.echo(_line(explanation))
        if out is not None:
            _write(explanation, Path(out, _file_name(explanation.row.path, used_names)))
        if sys.stdout.isatty():
            _show(explanation)
    if note := left_out_text(left_out.by_reason()):
        click.echo(note, err=True)
    if unreadable:
        sys.exit(_SOME_UNREADABLE)


def _file_name(path: str, used_names: set[str]) -> str:
    """Return a unique file name for an overlay, different from the image's own name: both may be
    in the same folder."""
    stem = Path(path).stem
    name, number = f"{stem}-heat.png", 1
    while name in used_names:
        number += 1
        name = f"{stem}-heat-{number}.png"
    used_names.add(name)
    return name


def _line(explanation: "Explanation") -> str:
    from core.inference.explanation import headline

    parts = [f"{printable(explanation.row.path)}: {headline(explanation)}"]
    if len(explanation.maps) > 1:
        drop = explanation.maps[1].strongest
        parts.append(f"occlusion lowers the confidence by up to {100 * drop:.1f} points")
    if explanation.agreement is not None:
        parts.append(f"rank correlation of the two maps {explanation.agreement:+.2f}")
    return "; ".join(parts)


def _write(explanation: "Explanation", file: Path) -> None:
    from core.common.files import write_atomically
    from core.inference.explanation import draw

    sheet = draw(explanation)
    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, lambda binary: sheet.save(binary, format="PNG"))


def _show(explanation: "Explanation") -> None:
    from rich.console import Console

    from core.inference.explanation import overlay
    from tui.cli.print_images import print_images

    image = explanation.image
    shown = [(image, ["the image"])]
    shown += [(overlay(image, each.heat), [each.method]) for each in explanation.maps]
    print_images(Console(highlight=False), shown)
