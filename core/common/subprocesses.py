"""Subprocesses of this program: ranks, and tasks that need torch when the caller must not."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO


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
    import asyncio  # here, as most callers only need the environment

    # No subprocess of asyncio: one that is cancelled while it starts waits forever, and with it
    # the end of the event loop (python/cpython#125502). No pipes: whatever else holds their other
    # end would be waited for, too.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env=python_environment(),
        )
        try:
            code = await asyncio.to_thread(process.wait, seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        finally:
            process.kill()
        return code, _content(output), _content(errors)


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()
