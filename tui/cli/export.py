"""The command `export`: export a run's model for other programs."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.common.errors import SetupError
from core.common.format import counted
from core.common.text import printable
from core.inference.export.formats import EXPORT_FORMATS
from core.inference.export.target import ExportTarget
from core.run.find import find_run
from tui.cli.options import calibrated_option, checkpoint_option, runs_dir_option

if TYPE_CHECKING:
    from core.inference.export.export import ExportResult


def _named(property_name: str) -> str:
    """Return the formats with a property, such as `onnx, torchscript`."""
    return ", ".join(
        name for name, entry in EXPORT_FORMATS.items() if getattr(entry, property_name)
    )


@click.command()
@click.argument("run")
@click.option(
    "--to",
    type=click.Choice(list(EXPORT_FORMATS)),
    required=True,
    help=f"Format; {_named('is_folder')} is a folder, the others are a file.",
)
@click.option("--out", required=True, metavar="PATH", help="File or folder to write.")
@click.option(
    "--with-normalize",
    is_flag=True,
    help=f"Include normalization: the model takes uint8 images ({_named('takes_normalize')}).",
)
@click.option(
    "--pictures",
    "images",
    metavar="DIR",
    help="Images to verify the export with. [default: validation images of the run]",
)
@click.option(
    "--push", metavar="REPO", help=f"Upload to the Hugging Face Hub, private ({_named('on_hub')})."
)
@click.option("--public", is_flag=True, help="With --push: make the repository public.")
@click.option("--overwrite", is_flag=True, help="Replace an earlier export.")
@checkpoint_option
@calibrated_option
@runs_dir_option
def export(
    run: str,
    to: str,
    out: str,
    with_normalize: bool,
    images: str | None,
    push: str | None,
    public: bool,
    overwrite: bool,
    checkpoint: str,
    calibrated: bool,
    runs_dir: Path,
) -> None:
    """Export a run's model for other programs. Includes class names, transform and a model card.

    \b
      convnext-tui export RUN --to onnx --out birds.onnx --with-normalize
      convnext-tui export RUN --to timm --out birds/
      timm.create_model("local-dir:birds", pretrained=True)

    The export is loaded again and compared with the run's model; it is kept only if both agree.
    """
    from core.inference import api
    from core.inference.input_paths import image_paths
    from tui.cli.progress_bars import spinner
    from tui.cli.quiet_libraries import quiet_libraries

    if push is not None and not EXPORT_FORMATS[to].on_hub:
        raise SetupError(f"--push needs --to {_named('on_hub')}, the format that the Hub supports")
    if public and push is None:
        raise SetupError("--public needs --push REPO")
    find_run(runs_dir, run)  # reports a mistyped run before torch is imported
    paths = None if images is None else list(image_paths([images]))
    with quiet_libraries(), spinner("exporting"):
        target = ExportTarget(to, Path(out), with_normalize, overwrite)
        exported = api.export(run, runs_dir, checkpoint, target, paths, calibrated)
    click.echo(_summary(exported))
    if push is not None:
        from core.inference.export.hub import push as push_to_hub

        with spinner("uploading"):
            url = push_to_hub(exported.path, push, private=not public)
        click.echo(printable(url))


def _summary(exported: "ExportResult") -> str:
    kind = "image" if exported.real_images else "random image"
    why = "" if exported.real_images else " (the run's own images can't be read)"
    return (
        f"{printable(str(exported.path))}: verified, same top-1 for {exported.same_top1} of "
        f"{counted(exported.images, kind)}{why}, probabilities differ by at most "
        f"{exported.max_difference:.1e}; model card: {printable(str(exported.card))}"
    )
