"""Find a learning rate in a separate process that imports torch."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from core.common.errors import SetupError, os_error_text
from core.common.subprocesses import python_environment
from core.common.text import printable
from core.config.load import to_yaml
from core.config.schema import Config
from core.session.lr_find import LrRangeTest

PROGRAM = (sys.executable, "-m", "tui")
_POLL_SECONDS = 0.1
_PATIENCE_SECONDS = 5.0
"""Time for a canceled test to end its workers."""
_LINE_BYTES = 4096

OnProgress = Callable[[str, int, int | None], object]
"""Is given the stage, and its finished and total steps."""


async def find_lr(config: Config, phase: str, on_progress: OnProgress) -> LrRangeTest:
    """Return the result of `convnext-tui lr-find` for a configuration.

    Its process is ended when this is canceled. Raises SetupError with the reason of a failure.
    """
    with tempfile.TemporaryDirectory(prefix="convnext-tui-") as folder:
        file = Path(folder) / "config.yaml"
        file.write_text(to_yaml(config), encoding="utf-8")
        arguments = ("--config", str(file), "--phase", phase, "--json", "--progress")
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            process = _start(arguments, output, errors)
            try:
                while process.poll() is None:
                    await asyncio.sleep(_POLL_SECONDS)
                    _report(errors, on_progress)
            finally:
                _end(process)
            return _result(process.returncode, output, errors)


def _start(arguments: tuple[str, ...], *files: IO[bytes]) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            [*PROGRAM, "lr-find", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=files[0],
            stderr=files[1],
            env=python_environment(),
            start_new_session=True,
        )
    except OSError as error:
        raise SetupError(f"the test cannot be started: {os_error_text(error)}") from None


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Interrupt the process if it still runs; then kill its workers, and itself if it must be."""
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGINT)

    def wait() -> None:
        with suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE_SECONDS)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    threading.Thread(target=wait, name="lr-find-end", daemon=True).start()


def _report(errors: IO[bytes], on_progress: OnProgress) -> None:
    """Report the last progress that the process has printed."""
    size = os.fstat(errors.fileno()).st_size
    end = os.pread(errors.fileno(), _LINE_BYTES, max(0, size - _LINE_BYTES))
    for line in reversed(end.splitlines()):
        with suppress(ValueError, KeyError, TypeError):
            tree = json.loads(line)
            on_progress(str(tree["stage"]), tree["done"], tree["total"])
            return


def _result(code: int, output: IO[bytes], errors: IO[bytes]) -> LrRangeTest:
    if code == 0:
        try:
            output.seek(0)
            tree: dict[str, Any] = json.load(output)
            return LrRangeTest.from_dict(tree)
        except (ValueError, KeyError, TypeError):
            raise SetupError("the test has printed no result") from None
    errors.seek(0)
    lines = errors.read().decode("utf-8", "replace").splitlines()
    found = [line for line in lines if line.startswith(("error: ", "Error: "))] or lines[-1:]
    reason = printable(found[-1].partition(": ")[2] or found[-1]) if found else ""
    raise SetupError(reason or f"the test has ended with exit code {code}")
