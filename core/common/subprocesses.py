"""Subprocesses of this program: ranks, and tasks that need torch when the caller must not."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path


def python_environment() -> dict[str, str]:
    """Return an environment in which `python -m` runs this program from any working directory.

    A local folder named `core` or `tui` doesn't shadow this program's packages, neither in the
    process nor in its subprocesses.
    """
    ours = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(path for path in (ours, os.environ.get("PYTHONPATH", "")) if path)
    return {**os.environ, "PYTHONPATH": paths, "PYTHONSAFEPATH": "1"}


async def run_module(*arguments: str, seconds: float | None = None) -> tuple[int, bytes, bytes]:
    """Run `python -m` with these arguments; return exit code, stdout and stderr.

    Raises OSError, and TimeoutError after `seconds`. The process is killed on timeout or
    cancellation.
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
