"""This program in processes of its own: what takes torch, asked for by what has none, and ranks."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import core


def python_environment() -> dict[str, str]:
    """Return the environment in which `python -m` runs this program, wherever the person stands.

    A folder called `core` or `tui` there is none of ours, nor is it for the processes that such a
    process starts.
    """
    ours = str(Path(core.__file__).resolve().parents[1])
    paths = os.pathsep.join(path for path in (ours, os.environ.get("PYTHONPATH", "")) if path)
    return {**os.environ, "PYTHONPATH": paths, "PYTHONSAFEPATH": "1"}


async def run_module(*arguments: str, seconds: float | None = None) -> tuple[int, bytes, bytes]:
    """Run `python -m` with these arguments; returns its exit code and what it wrote.

    Raises OSError, and TimeoutError after `seconds`. Cancelled or late, it takes the process along.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=python_environment(),
    )
    try:
        out, error = await asyncio.wait_for(process.communicate(), seconds)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    return process.returncode or 0, out, error
