"""Parts of this program in processes of their own: what takes torch, asked for by what has none."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import core


async def run_module(*arguments: str, seconds: float | None = None) -> tuple[int, bytes, bytes]:
    """Run `python -m` with these arguments; returns its exit code and what it wrote.

    Raises OSError, and TimeoutError after `seconds`. Cancelled or late, it takes the process along.
    """
    ours = str(Path(core.__file__).resolve().parents[1])
    paths = os.pathsep.join(path for path in (ours, os.environ.get("PYTHONPATH", "")) if path)
    process = await asyncio.create_subprocess_exec(
        # -P: a folder called `core` where the person stands is none of ours.
        *(sys.executable, "-P", "-m", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
    )
    try:
        out, error = await asyncio.wait_for(process.communicate(), seconds)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    return process.returncode or 0, out, error
