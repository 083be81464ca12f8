"""The door from what knows no torch to a run's network.

Each function imports what it needs when it is called: whoever only asks for help waits for nothing.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from core.math_threads import share_the_cores

if TYPE_CHECKING:
    from core.inference.predictor import Predictor


def open_predictor(
    run: str,
    runs_dir: Path,
    checkpoint: str = "best",
    device: str = "auto",
    batch_size: int | None = None,
    precision: str = "fp32",
) -> "Predictor":
    """Load a run's network onto a device; arguments as those of `load_run` and `Predictor`.

    Raises SetupError.
    """
    share_the_cores()
    from core.inference.predictor import Predictor
    from core.inference.trained_run import load_run

    return Predictor(load_run(run, checkpoint, runs_dir), device, batch_size, precision)
