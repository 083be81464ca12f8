"""Explain a prediction in a separate process that imports torch."""

import asyncio
import tempfile
from pathlib import Path

from core.common.errors import os_error_text
from core.common.subprocesses import run_module
from core.common.text import printable
from core.data.source import Location
from tui.viewmodel.images import LoadedImage, load


async def explain(run: Path, image: Location) -> LoadedImage:
    """Return an image with its Grad-CAM overlay, as `convnext-tui explain` draws it, or the reason
    why there is none."""
    with tempfile.TemporaryDirectory() as out:
        # On the CPU: a run, this one included, may be using the GPU.
        arguments = (str(run), str(image), "--out", out, "--device", "cpu")
        try:
            code, _, error = await run_module("tui", "explain", *arguments)
        except OSError as problem:
            return LoadedImage(None, f"can't be explained: {os_error_text(problem)}")
        drawn = sorted(Path(out).glob("*.png"))
        if code or not drawn:
            message = printable(error.decode("utf-8", "replace").strip().rpartition("\n")[2])
            return LoadedImage(None, f"can't be explained: {message or 'the process failed'}")
        return await asyncio.to_thread(load, drawn[0])
