"""Training engine and everything known about a run, without a user interface.

As a library: `from core import fit, load_run, Predictor`. The names are imported on first use (PEP
562), so that `import core` does not load torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.inference.predictor import Prediction as Prediction
    from core.inference.predictor import Predictor as Predictor
    from core.inference.trained_run import TrainedRun as TrainedRun
    from core.inference.trained_run import load_run as load_run
    from core.session.fit import FittedRun as FittedRun
    from core.session.fit import TrainingFailed as TrainingFailed
    from core.session.fit import fit as fit

_MODULES = {
    **dict.fromkeys(("fit", "FittedRun", "TrainingFailed"), "core.session.fit"),
    **dict.fromkeys(("load_run", "TrainedRun"), "core.inference.trained_run"),
    **dict.fromkeys(("Predictor", "Prediction"), "core.inference.predictor"),
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from core.common.openmp import limit_openmp_spinning

    limit_openmp_spinning()
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
