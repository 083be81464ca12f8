"""The command `predict`: predict the classes of images."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.common.errors import SetupError
from core.common.format import counted
from core.common.left_out import LeftOut, left_out_text
from core.common.text import printable
from tui.cli.options import predictor_options
from tui.cli.outputs import check_outputs, writing
from tui.cli.prediction_text import prediction_line
from tui.cli.predictor import load_predictor
from tui.cli.progress_bars import progress_bar

if TYPE_CHECKING:
    from core.inference.predict import PredictionCounts, ReservoirSample
    from core.inference.prediction_rows import PredictionRow
    from core.inference.predictor import Predictor
    from core.inference.resumable_output import ResumableOutput

_INTERRUPTED = 130
_SHOWN, _ON_GRID = 12, 36


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outputs:
    """The files that a call writes."""

    out: str | None
    overwrite: bool
    submission: str | None
    grid: str | None


@click.command()
@click.argument("run")
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@click.option(
    "--out", metavar="FILE", help="Write rows to this .csv or .jsonl file; resumes a partial file."
)
@click.option(
    "--top",
    type=click.IntRange(1, 1000),
    default=3,
    show_default=True,
    metavar="K",
    help="Classes per image, the most probable first.",
)
@click.option("--overwrite", is_flag=True, help="Start the file of --out from scratch.")
@click.option("--submission", metavar="FILE", help="Also write ID,Label (with --out).")
@click.option("--show", is_flag=True, help="Show some images with their labels on the terminal.")
@click.option("--grid", metavar="FILE.png", help="Write a grid of some images with their labels.")
@predictor_options
def predict(
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
    """Predict the classes of images. Takes files, folders, patterns, or paths from standard input
    (-).

    \b
      convnext-tui predict RUN new/ --out new.csv
      find . -name '*.jpg' | convnext-tui predict RUN - --out all.jsonl
      convnext-tui predict RUN a.jpg b.jpg --show

    Rows are in the order of the images; an unreadable image has an empty label and its error.
    After an interruption the same command resumes.
    """
    from core.inference.input_paths import STDIN, image_paths
    from core.inference.predict import ReservoirSample
    from core.inference.prediction_rows import row_format_for

    if out is not None:
        row_format_for(Path(out), top)
    outputs = _Outputs(out=out, overwrite=overwrite, submission=submission, grid=grid)
    _check(paths, outputs, show, STDIN)
    listed = image_paths(paths)
    total = None if STDIN in paths or not sys.stderr.isatty() else sum(1 for _ in listed)
    predictor = load_predictor(run, options)
    top = min(top, len(predictor.classes))
    sample = ReservoirSample(_ON_GRID if grid else _SHOWN)
    left_out = LeftOut()
    inputs = image_paths(paths, left_out)
    if out is None:
        _print_rows(predictor, inputs, top, sample)
        if grid is not None:
            _write_grid(sample.rows, Path(grid))
    else:
        _write_rows(predictor, inputs, top, sample, outputs, total)
    for note in (left_out_text(left_out.by_reason()), predictor.values_note):
        if note:
            click.echo(note, err=True)
    if show:
        _show(sample.rows[:_SHOWN])


def _check(paths: Sequence[str], outputs: _Outputs, show: bool, stdin: str) -> None:
    check_outputs(
        ("--out", outputs.out),
        ("--submission", outputs.submission),
        ("--grid", outputs.grid),
        inputs=paths,
    )
    if outputs.submission is not None and outputs.out is None:
        raise SetupError("--submission needs --out FILE, from which it is made")
    if show and not sys.stdout.isatty():
        raise SetupError("--show needs a terminal; --grid FILE.png writes the images to a file")
    if paths.count(stdin) > 1:
        raise SetupError("standard input (-) can be read only once")


def _print_rows(
    predictor: "Predictor", paths: Iterator[str], top: int, sample: "ReservoirSample"
) -> None:
    from core.inference.predict import predict_rows

    for row in predict_rows(predictor, paths, top):
        sample.add(row)
        click.echo(prediction_line(row))


def _write_rows(
    predictor: "Predictor",
    paths: Iterator[str],
    top: int,
    sample: "ReservoirSample",
    outputs: _Outputs,
    total: int | None,
) -> None:
    from core.inference.predict import predict_to_file, prediction_metadata
    from core.inference.prediction_rows import row_format_for
    from core.inference.resumable_output import ResumableOutput

    assert outputs.out is not None
    file = Path(outputs.out)
    out = ResumableOutput(
        file, row_format_for(file, top), prediction_metadata(predictor), outputs.overwrite
    )
    try:
        with progress_bar("predicting", total) as bar:

            def on_row(row: "PredictionRow", is_new: bool) -> None:
                sample.add(row)
                bar.advance()

            counts = predict_to_file(out, predictor, paths, top, on_row)
        click.echo(_summary(counts, file), err=True)
        if outputs.grid is not None:
            _write_grid(sample.rows, Path(outputs.grid))
        if outputs.submission is not None:  # last, as it refuses equal IDs
            _write_submission(out, Path(outputs.submission))
    except KeyboardInterrupt:
        message = f"interrupted; the same command resumes {printable(outputs.out)}"
        click.echo(message, err=True)
        sys.exit(_INTERRUPTED)
    finally:
        out.close()


def _summary(counts: "PredictionCounts", file: Path) -> str:
    parts = [f"{counted(counts.rows, 'row')} in {printable(str(file))}"]
    if counts.done_before:
        parts.append(f"{counts.done_before:,} from an earlier call")
    if counts.unreadable:
        parts.append(f"{counted(counts.unreadable, 'unreadable image')}, see column error")
    return "; ".join(parts)


def _write_submission(out: "ResumableOutput", file: Path) -> None:
    from core.inference.predict import write_submission

    with writing(file):
        write_submission(out.rows(), file)


def _show(rows: Sequence["PredictionRow"]) -> None:
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


def _write_grid(rows: Sequence["PredictionRow"], file: Path) -> None:
    from core.common.files import write_atomically
    from core.inference.image_grid import draw_grid

    sheet = draw_grid(rows)
    with writing(file):
        write_atomically(file, lambda binary: sheet.save(binary, format="PNG"))
