"""What can be known to be wrong with an export before anything is loaded."""

from pathlib import Path

from core.common.errors import SetupError
from core.common.text import printable

TAKE_PIXELS = ("onnx", "torchscript")
"""Formats of which normalising can be a part; the others are weights alone."""


class ExportError(SetupError):
    """An export that can't be made, or that isn't what the run's network is."""


def check_target(to: str, out: Path, with_normalize: bool, overwrite: bool) -> None:
    """Raise ExportError where an export can't be put, or can't be as it is asked for."""
    if with_normalize and to not in TAKE_PIXELS:
        raise ExportError(
            f"--with-normalize is for {' and '.join(TAKE_PIXELS)}: {to} has weights alone"
        )
    shown = printable(str(out))
    if not out.name:
        raise ExportError(f"{shown} has no name of its own; give --out one that can be made")
    if to == "safetensors" and out.suffix != ".safetensors":
        raise ExportError(f"{shown}: weights are known by their name; end it with .safetensors")
    if not out.parent.is_dir():
        raise ExportError(f"{printable(str(out.parent))}: no such folder; make it first")
    if not out.exists():
        return
    if not overwrite:
        raise ExportError(f"{shown} is there already; give another --out, or --overwrite")
    if out.is_dir() and not (out / "config.json").is_file() and any(out.iterdir()):
        # Whatever this folder is, it is no export.
        raise ExportError(f"{shown} is a folder that holds other things; give another --out")
