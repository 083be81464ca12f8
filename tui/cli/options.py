"""Define the options that several subcommands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from core.common.errors import SetupError
from core.common.text import printable
from core.config.devices import DEVICES, PRECISIONS

DEFAULT_RUNS_DIR = "runs"
F = TypeVar("F", bound=Callable[..., Any])


def _to_runs_dir(context: click.Context, _: click.Parameter, value: str | None) -> Path:
    return Path(value or context.find_root().params.get("runs_dir", DEFAULT_RUNS_DIR))


runs_dir_option = click.option(
    "--runs-dir", metavar="DIR", callback=_to_runs_dir, help="Directory of the runs."
)
"""The runs directory of a subcommand; without it that of `convnext-tui --runs-dir`."""


def require_runs_dir(runs_dir: Path) -> None:
    """Raise SetupError if a runs directory that the user has named doesn't exist."""
    if str(runs_dir) != DEFAULT_RUNS_DIR and not runs_dir.is_dir():
        raise SetupError(f"--runs-dir {printable(str(runs_dir))}: no such folder")


checkpoint_option = click.option(
    "--checkpoint",
    default="best",
    show_default=True,
    metavar="NAME|FILE",
    help="best, best-head, best-full, last, or a checkpoint file of the run.",
)


def calibrated_option(command: F) -> F:
    """Add --calibrated."""
    return click.option(
        "--calibrated",
        is_flag=True,
        help="Divide the logits by the run's temperature: confidence then matches the accuracy.",
    )(command)


def predictor_options(command: F) -> F:
    """Add the options of a command that loads a run's model."""
    for option in (
        runs_dir_option,
        click.option(
            "--batch-size",
            type=click.IntRange(1, 65536),
            metavar="N",
            help="Images per batch. [default: 32, 128 on CUDA]",
        ),
        click.option(
            "--precision",
            type=click.Choice(PRECISIONS),
            default="fp32",
            show_default=True,
            help="Number format; auto is bf16 or fp16 on CUDA devices.",
        ),
        click.option(
            "--device",
            type=click.Choice(DEVICES),
            default="auto",
            show_default=True,
            help="Device to compute on.",
        ),
        checkpoint_option,
        calibrated_option,
    ):
        command = option(command)
    return command
