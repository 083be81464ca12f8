"""The subcommand that writes a run's network for other programs."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.common.errors import SetupError
from core.common.text import printable
from tui.cli.runs import folder_of

if TYPE_CHECKING:
    from core.inference.export.export import Exported


@click.command()
@click.argument("run")
@click.option(
    "--to",
    type=click.Choice(["safetensors", "timm", "onnx", "torchscript"]),
    required=True,
    help="timm is a folder, the others a file.",
)
@click.option("--out", required=True, metavar="PATH", help="Where to.")
@click.option(
    "--with-normalize",
    is_flag=True,
    help="Take bytes (uint8) and normalise inside; onnx, torchscript.",
)
@click.option(
    "--pictures",
    metavar="DIR",
    help="Compare on these. [default: some that the run has validated on]",
)
@click.option("--push", metavar="REPO", help="Put it on the Hugging Face Hub, private (timm).")
@click.option("--public", is_flag=True, help="With --push: for everybody to see.")
@click.option("--overwrite", is_flag=True, help="Replace what an earlier export has written.")
@click.option(
    "--checkpoint",
    default="best",
    show_default=True,
    metavar="NAME|FILE",
    help="best, best-head, best-full, last, or a file that the run wrote.",
)
@click.option("--runs-dir", metavar="DIR", help="Where the runs are.")
@click.pass_context
def export(
    context: click.Context,
    /,
    run: str,
    to: str,
    out: str,
    with_normalize: bool,
    pictures: str | None,
    push: str | None,
    public: bool,
    overwrite: bool,
    checkpoint: str,
    runs_dir: str | None,
) -> None:
    """Write a run's network with class names, transform and a model card.

    \b
      convnext-tui export RUN --to onnx --out birds.onnx --with-normalize
      convnext-tui export RUN --to timm --out birds/
      timm.create_model("local-dir:birds", pretrained=True)

    What was written is loaded again and compared with the run; it is kept only if it agrees.
    """
    from core.inference import api as model_use
    from core.inference.input_paths import picture_paths
    from core.run.find import find_run
    from tui.cli.progress_bars import waiting

    if push is not None and to != "timm":
        raise SetupError("--push is for --to timm: that is what the Hub has pages for")
    if public and push is None:
        raise SetupError("--public belongs to --push REPO")
    folder = folder_of(context, runs_dir)
    find_run(folder, run)  # whoever has mistyped it need not wait for torch
    compared = None if pictures is None else list(picture_paths([pictures]))
    with waiting("exporting"):
        made = model_use.export(
            run, folder, checkpoint, to, Path(out), with_normalize, compared, overwrite
        )
    click.echo(_told(made))
    if push is not None:
        from core.inference.export.hub import push as push_to_hub

        with waiting("uploading"):
            address = push_to_hub(made.path, push, private=not public)
        click.echo(printable(address))


def _told(made: "Exported") -> str:
    what = "pictures" if made.real else "pictures of noise (the run's own can't be read)"
    return (
        f"{printable(str(made.path))}: loaded again, top-1 is the same for {made.same_top1} of "
        f"{made.pictures} {what}, probabilities differ by at most {made.difference:.1e}; "
        f"model card: {printable(str(made.card))}"
    )
