"""Start several ranks on this machine with torchrun."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from core.common.cpu import usable_cores
from core.common.errors import SetupError
from core.common.format import counted
from core.common.subprocesses import python_environment
from core.common.text import quoted
from core.distributed.torchrun_env import OWN_STORES, RESULT_VARIABLE

MOST_RESTARTS = 10
"""How often torchrun restarts the ranks of a run after one of them has exited."""
_EXIT_FAILED = 1


def count_ranks(text: str, device: str | None) -> int:
    """Return how many ranks `--gpus N|all` requests; raises SetupError.

    With `device` cpu the ranks compute on the CPU.
    """
    available = 0 if device == "cpu" else _gpus()
    if text == "all":
        if not available:
            raise SetupError("--gpus all: this machine has no NVIDIA GPU")
        return available
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise SetupError(f"--gpus is {quoted(text)}; expected all, or a number from 1 to 1024")
    if device != "cpu" and int(text) > max(1, available):
        raise SetupError(
            f"--gpus {text}: this machine has {counted(available, 'NVIDIA GPU')}; "
            "add --device cpu to try it on the CPU"
        )
    return int(text)


def rank_command(ranks: int, arguments: Sequence[str], folder: str) -> list[str]:
    """Return the torchrun command that trains headless; torchrun writes its logs to `folder`."""
    agent = ["--standalone", f"--nproc-per-node={ranks}", f"--max-restarts={MOST_RESTARTS}"]
    agent.append(f"--log-dir={folder}")
    # A rank ignores --gpus.
    program = ["-m", "tui", "--no-ui", *arguments]
    return [sys.executable, "-m", "torch.distributed.run", *agent, *program]


def run_ranks(ranks: int, arguments: Sequence[str]) -> int:
    """Train with several ranks until the run ends; returns its exit code.

    SIGINT and SIGTERM are forwarded to the ranks through torchrun; SIGHUP is ignored.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
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
        received: list[int] = []
        started: list[subprocess.Popen[bytes]] = []

        def forward(number: int, frame: object) -> None:
            received.append(number)
            for process in started:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(number)

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, forward)
        # In a separate process group: otherwise Ctrl-C would reach the ranks twice.
        process = subprocess.Popen(
            rank_command(ranks, arguments, folder), env=environment, process_group=0
        )
        started.append(process)
        if received:
            process.send_signal(received[0])  # it arrived before the process existed
        code = process.wait()
        with contextlib.suppress(OSError, ValueError):
            code = int(result.read_text(encoding="ascii"))
        return 128 + received[0] if received else code if code >= 0 else _EXIT_FAILED


def _gpus() -> int:
    """Return how many NVIDIA GPUs this process may use, by NVML."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([name for name in visible.split(",") if name.strip() not in ("", "-1")])
    import pynvml

    try:
        pynvml.nvmlInit()
        return int(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError:
        return 0
