"""Export a traced TorchScript module, with metadata as an extra file."""

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from core.inference.export.formats import Metadata
from core.inference.trained_run import TrainedRun

EXTRA_FILE = "convnext-tui.json"


def write(
    run: TrainedRun, model: nn.Module, example: Tensor, path: Path, metadata: Metadata
) -> None:
    """Trace the model and save it."""
    extra = {EXTRA_FILE: json.dumps(metadata, indent=2)}
    with torch.no_grad(), _ignore_deprecation():
        traced = torch.jit.trace(model, example)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, str(path), _extra_files=extra)


def load(run: TrainedRun, path: Path) -> Callable[[Tensor], Tensor]:
    """Load the module onto the CPU."""
    with _ignore_deprecation():
        loaded: Callable[[Tensor], Tensor] = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    return loaded


@contextmanager
def _ignore_deprecation() -> Iterator[None]:
    # torch recommends torch.export instead, but TorchScript was explicitly requested.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
