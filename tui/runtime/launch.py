"""Starting several ranks on this machine, by torchrun."""

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
from core.common.subprocesses import python_environment
from core.distributed.torchrun_env import OWN_STORES, RESULT_VARIABLE

MOST_RESTARTS = 10
"""How often the ranks of a run may be started anew when one is gone."""
_EXIT_FAILED = 1


def count_ranks(text: str, device: str | None) -> int:
    """Return how many ranks `--gpus N|all` asks for; raises SetupError.

    With `device` cpu they are processes that compute on the CPU.
    """
    here = 0 if device == "cpu" else _gpus()
    if text == "all":
        if not here:
            raise SetupError("--gpus all: there is no NVIDIA GPU here")
        return here
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise SetupError(f"--gpus is {text!r}; expected all, or how many from 1")
    if device != "cpu" and int(text) > max(1, here):
        raise SetupError(
            f"--gpus {text}: this machine has {here} NVIDIA GPUs for it; to try it on the CPU, add "
            "--device cpu"
        )
    return int(text)


def rank_command(ranks: int, arguments: Sequence[str], folder: str) -> list[str]:
    """Return the command that trains headless with so many ranks; what torchrun leaves about goes
    into `folder`."""
    agent = ["--standalone", f"--nproc-per-node={ranks}", f"--max-restarts={MOST_RESTARTS}"]
    agent.append(f"--log-dir={folder}")
    # To a rank --gpus means nothing any more.
    ours = ["-m", "tui", "--no-ui", *arguments]
    return [sys.executable, "-m", "torch.distributed.run", *agent, *ours]


def run_ranks(ranks: int, arguments: Sequence[str]) -> int:
    """Train with so many ranks until the run is over; returns its exit code.

    SIGINT and SIGTERM reach the ranks through torchrun; a closed terminal ends nothing.
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
            # A step and a checkpoint may take longer than torchrun's 30 seconds.
            "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": "120",
        }
        asked: list[int] = []
        started: list[subprocess.Popen[bytes]] = []

        def forward(number: int, frame: object) -> None:
            asked.append(number)
            for process in started:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(number)

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, forward)
        # In a group of its own: Ctrl-C would otherwise come to the ranks twice.
        process = subprocess.Popen(
            rank_command(ranks, arguments, folder), env=environment, process_group=0
        )
        started.append(process)
        if asked:
            process.send_signal(asked[0])  # it came before there was somebody to hear it
        code = process.wait()
        with contextlib.suppress(OSError, ValueError):
            code = int(result.read_text(encoding="ascii"))
        return 128 + asked[0] if asked else code if code >= 0 else _EXIT_FAILED


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
