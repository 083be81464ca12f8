"""Subcommands that use a run's network."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from core.common.errors import SetupError
from core.common.text import printable
from tui.cli.outputs import check_outputs, writing
from tui.cli.runs import folder_of

if TYPE_CHECKING:
    from core.inference.predict import Sample, Tally
    from core.inference.prediction_rows import Row
    from core.inference.predictor import Predictor
    from core.inference.resumable_output import OutFile

_INTERRUPTED = 130
_SHOWN, _ON_GRID = 12, 36
F = TypeVar("F", bound=Callable[..., Any])


def predictor_options(command: F) -> F:
    """Add the options of every command that loads a run's network."""
    for option in (
        click.option("--runs-dir", metavar="DIR", help="Where the runs are."),
        click.option(
            "--batch-size",
            type=click.IntRange(1, 65536),
            metavar="N",
            help="Pictures at once. [default: 32, 128 on CUDA]",
        ),
        click.option(
            "--precision",
            type=click.Choice(["fp32", "bf16", "auto"]),
            default="fp32",
            show_default=True,
            help="Number format; auto = bf16 on CUDA devices that have it.",
        ),
        click.option(
            "--device",
            type=click.Choice(["auto", "cpu", "cuda", "mps"]),
            default="auto",
            show_default=True,
            help="Where to compute.",
        ),
        click.option(
            "--checkpoint",
            default="best",
            show_default=True,
            metavar="NAME|FILE",
            help="best, best-head, best-full, last, or a file that the run wrote.",
        ),
    ):
        command = option(command)
    return command


def load(context: click.Context, run: str, options: dict[str, Any]) -> "Predictor":
    """Return the network that the options ask for; raises SetupError."""
    from core.data.decode import hush_pillow
    from core.inference.api import open_predictor
    from core.inference.checkpoint_lookup import checkpoint_file
    from core.run.find import find_run
    from tui.cli.progress_bars import waiting

    runs_dir = folder_of(context, options["runs_dir"])
    # Whoever has mistyped one of them need not wait for torch.
    checkpoint_file(find_run(runs_dir, run), options["checkpoint"])
    hush_pillow()
    with waiting("loading torch and the network"):
        return open_predictor(
            run,
            runs_dir,
            options["checkpoint"],
            options["device"],
            options["batch_size"],
            options["precision"],
        )


@click.command()
@click.argument("run")
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@click.option("--out", metavar="FILE", help="Rows into this .csv or .jsonl file; goes on with it.")
@click.option(
    "--top",
    type=click.IntRange(1, 1000),
    default=3,
    show_default=True,
    metavar="K",
    help="Classes a picture, the most probable first.",
)
@click.option("--overwrite", is_flag=True, help="Begin the file of --out anew.")
@click.option("--submission", metavar="FILE", help="Also write ID,Label (with --out).")
@click.option("--show", is_flag=True, help="Show some pictures with their labels on the terminal.")
@click.option("--grid", metavar="FILE.png", help="Write some pictures with their labels as one.")
@predictor_options
@click.pass_context
def predict(
    context: click.Context,
    /,
    run: str,
    paths: tuple[str, ...],
    out: str | None,
    top: int,
    overwrite: bool,
    submission: str | None,
    show: bool,
    grid: str | None,
    **options: Any,
) -> None:
    """Predict the classes of pictures: files, folders, patterns, or a list on standard input (-).

    \b
      convnext-tui predict RUN new/ --out new.csv
      find . -name '*.jpg' | convnext-tui predict RUN - --out all.jsonl
      convnext-tui predict RUN a.jpg b.jpg --show

    The rows are in the pictures' order; one that can't be read has an empty label and its error.
    Stopped or killed, the same command goes on where it was.
    """
    from core.inference.input_paths import STDIN, picture_paths
    from core.inference.predict import Sample
    from core.inference.prediction_rows import form_for

    if out is not None:
        form_for(Path(out), top)
    _check(paths, out, submission, grid, show, STDIN)
    listed = picture_paths(paths)
    total = None if STDIN in paths or not sys.stderr.isatty() else sum(1 for _ in listed)
    predictor = load(context, run, options)
    top = min(top, len(predictor.classes))
    sample = Sample(_ON_GRID if grid else _SHOWN)
    again = picture_paths(paths)
    if out is None:
        _print_rows(predictor, again, top, sample)
    else:
        _write_rows(predictor, again, top, sample, Path(out), overwrite, submission, total)
    if show:
        _show(sample.rows[:_SHOWN])
    if grid is not None:
        _write_grid(sample.rows, Path(grid))


def _check(
    paths: Sequence[str],
    out: str | None,
    submission: str | None,
    grid: str | None,
    show: bool,
    stdin: str,
) -> None:
    check_outputs(("--out", out), ("--submission", submission), ("--grid", grid), inputs=paths)
    if submission is not None and out is None:
        raise SetupError("--submission is made from the file of --out: give that too")
    if show and not sys.stdout.isatty():
        raise SetupError("--show needs a terminal; --grid FILE.png writes the pictures into a file")
    if paths.count(stdin) > 1:
        raise SetupError("standard input (-) can be read only once")


def _print_rows(predictor: "Predictor", paths: Iterator[str], top: int, sample: "Sample") -> None:
    from core.inference.predict import predicted

    for row in predicted(predictor, paths, top):
        sample.add(row)
        click.echo(in_words(row))


def in_words(row: "Row") -> str:
    """Return a row as one line for a person."""
    if row.error:
        return f"{printable(row.path)}: can't be read: {printable(row.error)}"
    ranked = ", ".join(f"{printable(name)} {share:.1%}" for name, share in row.ranked)
    return f"{printable(row.path)}: {ranked}"


def _write_rows(
    predictor: "Predictor",
    paths: Iterator[str],
    top: int,
    sample: "Sample",
    file: Path,
    overwrite: bool,
    submission: str | None,
    total: int | None,
) -> None:
    from core.inference.predict import about_rows, predict_into
    from core.inference.prediction_rows import form_for
    from core.inference.resumable_output import OutFile
    from tui.cli.progress_bars import advance, working

    out = OutFile(file, form_for(file, top), about_rows(predictor), overwrite)
    try:
        with working("predicting", total) as progress:

            def on_row(row: "Row", is_new: bool) -> None:
                sample.add(row)
                advance(progress)

            tally = predict_into(out, predictor, paths, top, on_row)
        if submission is not None:
            _write_submission(out, Path(submission))
    except KeyboardInterrupt:
        click.echo(f"stopped; the same command goes on with {printable(str(file))}", err=True)
        sys.exit(_INTERRUPTED)
    finally:
        out.close()
    click.echo(_told(tally, file), err=True)


def _told(tally: "Tally", file: Path) -> str:
    from core.common.format import count

    parts = [f"{count(tally.rows)} rows in {printable(str(file))}"]
    if tally.done_before:
        parts.append(f"{count(tally.done_before)} of them were there before")
    if tally.unreadable:
        parts.append(f"{count(tally.unreadable)} could not be read, see the column error")
    return "; ".join(parts)


def _write_submission(out: "OutFile", file: Path) -> None:
    from core.inference.predict import write_submission

    with writing(file):
        write_submission(out.rows(), file)


def _show(rows: Sequence["Row"]) -> None:
    from rich.console import Console

    from core.inference.image_grid import TILE, thumbnail
    from tui.cli.print_images import print_images

    tiles = [
        (
            thumbnail(row.path, TILE),
            (row.label or "unreadable", f"{row.confidence:.1%}" if row.ranked else row.error),
        )
        for row in rows
    ]
    print_images(Console(highlight=False), tiles)


def _write_grid(rows: Sequence["Row"], file: Path) -> None:
    from core.common.files import write_atomically
    from core.inference.image_grid import draw_grid

    sheet = draw_grid(rows)
    with writing(file):
        write_atomically(file, lambda binary: sheet.save(binary, format="PNG"))
