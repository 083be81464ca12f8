"""Where a run's network looks in a picture: asked of a process that has torch."""

import asyncio
import tempfile
from pathlib import Path

from core.common.errors import os_error_text
from core.common.subprocesses import run_module
from core.common.text import printable
from core.data.source import Location
from tui.viewmodel.images import Loaded, load


async def explain(run: Path, picture: Location) -> Loaded:
    """Return a picture with Grad-CAM's map over it, as `convnext-tui explain` draws it, or the
    reason why there is none."""
    with tempfile.TemporaryDirectory() as out:
        # On the CPU: a GPU may be in use by a run, this one included.
        arguments = (str(run), str(picture), "--out", out, "--device", "cpu")
        try:
            code, _, error = await run_module("tui", "explain", *arguments)
        except OSError as problem:
            return Loaded(None, f"can't be explained: {os_error_text(problem)}")
        drawn = sorted(Path(out).glob("*.png"))
        if code or not drawn:
            said = printable(error.decode("utf-8", "replace").strip().rpartition("\n")[2])
            return Loaded(None, f"can't be explained: {said or 'its process has failed'}")
        return await asyncio.to_thread(load, drawn[0])
