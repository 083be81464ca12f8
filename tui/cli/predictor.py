"""Load a run's model for the commands that use it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.inference.api import open_predictor
from core.inference.checkpoint_lookup import checkpoint_file
from core.run.find import find_run
from tui.cli.progress_bars import spinner
from tui.cli.quiet_libraries import quiet_libraries

if TYPE_CHECKING:
    from core.inference.predictor import Predictor


def load_predictor(run: str, options: dict[str, Any]) -> "Predictor":
    """Return the model that `predictor_options` asks for; raises SetupError."""
    runs_dir: Path = options["runs_dir"]
    # Before torch is imported, which takes seconds: a mistyped name is reported at once.
    checkpoint_file(find_run(runs_dir, run), options["checkpoint"])
    click.get_current_context().with_resource(quiet_libraries())
    with spinner("loading the model"):
        return open_predictor(
            run,
            runs_dir,
            checkpoint=options["checkpoint"],
            device=options["device"],
            batch_size=options["batch_size"],
            precision=options["precision"],
            calibrated=options["calibrated"],
        )
