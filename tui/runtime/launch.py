"""Start several ranks on this machine with torchrun."""

import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from core.common.cpu import usable_cores
from core.common.errors import SetupError
from core.common.format import counted
from core.common.gpus import visible_gpus
from core.common.subprocesses import python_environment
from core.common.text import quoted
from core.distributed.torchrun_env import OWN_STORES, RESULT_VARIABLE
from tui.runtime.signal_handlers import STOPPING, StopSignals

MOST_RESTARTS = 10
"""How often torchrun restarts the ranks of a run after one of them has exited."""
_EXIT_FAILED = 1


def count_ranks(text: str, device: str | None) -> int:
    """Return how many ranks `--gpus N|all` requests; raises SetupError.

    With `device` cpu the ranks compute on the CPU.
    """
    check_ranks(text)
    available = 0 if device == "cpu" else len(visible_gpus())
    if text == "all":
        if not available:
            raise SetupError("--gpus all: this machine has no NVIDIA GPU")
        return available
    if device != "cpu" and int(text) > max(1, available):
        raise SetupError(
            f"--gpus {text}: this machine has {counted(available, 'NVIDIA GPU')}; "
            "add --device cpu to try it on the CPU"
        )
    return int(text)


def check_ranks(text: str) -> None:
    """Raise SetupError if `--gpus` is neither `all` nor a number, whatever this machine has."""
    if text != "all" and (not text.isdecimal() or not 1 <= int(text) <= 1024):
        raise SetupError(f"--gpus is {quoted(text)}; expected all, or a number from 1 to 1024")


def rank_command(ranks: int, arguments: Sequence[str], folder: str) -> list[str]:
    """Return the torchrun command that trains headless; torchrun writes its logs to `folder`."""
    agent = ["--standalone", f"--nproc-per-node={ranks}", f"--max-restarts={MOST_RESTARTS}"]
    agent.append(f"--log-dir={folder}")
    # A rank ignores --gpus.
    program = ["-m", "tui", "--no-ui", *arguments]
    return [sys.executable, "-m", "core.distributed", *agent, *program]


def run_ranks(ranks: int, arguments: Sequence[str]) -> int:
    """Train with several ranks until the run ends; returns its exit code.

    The first SIGINT or SIGTERM is forwarded to the ranks through torchrun, another one kills them;
    SIGHUP is ignored.
    """
    with tempfile.TemporaryDirectory(prefix="convnext-tui-") as folder:
        result = Path(folder) / "exit-code"
        threads = str(max(1, usable_cores() // ranks))
        environment = {
            "OMP_NUM_THREADS": threads,
            **python_environment(),
            RESULT_VARIABLE: str(result),
            OWN_STORES: "1",
            # A step and a checkpoint may take longer than torchrun's default of 30 seconds.
            "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": "120",
        }
        started: list[subprocess.Popen[bytes]] = []

        def forward(reason: str) -> None:
            for process in started:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(_signal_of(signals))

        def kill() -> None:
            for process in started:
                _kill_tree(process.pid)
            shutil.rmtree(folder, ignore_errors=True)

        signals = StopSignals(forward, kill, announcement=STOPPING.format)
        # In a separate process group: otherwise Ctrl-C would reach the ranks twice.
        process = subprocess.Popen(
            rank_command(ranks, arguments, folder), env=environment, process_group=0
        )
        started.append(process)
        if signals.exit_code is not None:
            process.send_signal(_signal_of(signals))  # it arrived before the process existed
        code = process.wait()
        with contextlib.suppress(OSError, ValueError):
            return int(result.read_text(encoding="ascii"))
        if signals.exit_code is not None:
            return signals.exit_code
        if code < 0:
            name = signal.Signals(-code).name
            print(f"error: torchrun was ended by {name}; the ranks save and stop", file=sys.stderr)
            return _EXIT_FAILED
        return code


def _signal_of(signals: StopSignals) -> int:
    return (signals.exit_code or 0) - 128


def _kill_tree(pid: int) -> None:
    import psutil

    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for each in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                each.kill()
