"""Shared by the stress tests: small runs as processes, comparison of two runs, and verdicts."""

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psutil
import torch

from core.common.user_dirs import CACHE_VARIABLE
from core.config.phases import PHASES
from core.events.journal import replay
from core.events.record import Record
from core.events.types import RunResumed
from core.run.folder import RunFolder
from core.run.state import fold
from core.training.checkpoints.file import DamagedCheckpoint, read_checkpoint
from tests.tui.command import command, environment

SMALL: Mapping[str, object] = {
    "model.name": "test_convnext",
    "model.pretrained": "false",
    "data.image_size": 32,
    "data.batch_size": 8,
    "data.workers": 0,
    "precision": "fp32",
    "memory_format": "contiguous",
    "phases.head.early_stopping.patience": 1000,
    "phases.full.early_stopping.patience": 1000,
}
CHECKPOINTS = ("best.pt", "best-head.pt", "best-full.pt", "last.pt")
_TIMEOUT_SECONDS = 120
_HOOKS = Path(__file__).parent / "hooks"
_TIMES = ("seconds", "images_per_second", "data_wait")


def settings(photos: Path, head: int, full: int, **more: object) -> dict[str, object]:
    """Return a small configuration with these epochs; in `more`, `__` means a dot."""
    given = {key.replace("__", "."): value for key, value in more.items()}
    epochs = {"phases.head.epochs": head, "phases.full.epochs": full}
    return {**SMALL, **epochs, "data.root": photos, **given}


def options(values: Mapping[str, object]) -> list[str]:
    """Return a configuration as arguments of the command line."""
    return [text for key, value in values.items() for text in ("--set", f"{key}={value}")]


def headless(runs_dir: Path, *arguments: str) -> list[str]:
    """Return the command that trains without the app, with little output."""
    return command("--no-ui", "--log-format", "plain", "--runs-dir", str(runs_dir), *arguments)


def surroundings(work: Path, **changes: str) -> dict[str, str]:
    """Return the environment of a run with its own cache in `work`."""
    return {**environment(), CACHE_VARIABLE: str(work / "cache"), **changes}


def hooks(**changes: str) -> dict[str, str]:
    """Return environment variables that make Python load `hooks/sitecustomize.py`."""
    return {"PYTHONPATH": f"{_HOOKS}:{environment()['PYTHONPATH']}", **changes}


def train(runs_dir: Path, *arguments: str) -> RunFolder:
    """Train to the end in a subprocess, with a cache next to `runs_dir`; returns the run."""
    subprocess.run(
        headless(runs_dir, *arguments),
        check=True,
        env=surroundings(runs_dir.parent),
        stdout=subprocess.DEVNULL,
    )
    return only_run(runs_dir)


def only_run(runs_dir: Path) -> RunFolder:
    """Return the only run of a directory."""
    (path,) = runs_dir.iterdir()
    return RunFolder(path)


def differences(run: RunFolder, other: RunFolder, names: Iterable[str] = CHECKPOINTS) -> list[str]:
    """Return the differences of two runs that should have equal results, except for times.

    Compares every byte of weights, optimizer and sums in the checkpoints `names`, and the epochs in
    the journals.
    """
    found = [name for name in names if not _same_checkpoint(run, other, name)]
    epochs = [_epochs(folder) for folder in (run, other)]
    if epochs[0] != epochs[1]:
        found.append(f"the journal's epochs ({len(epochs[0])} and {len(epochs[1])})")
    return found


def faults(run: RunFolder) -> list[str]:
    """Return problems with the files of a finished run."""
    records, skipped = replay(run.journal)
    found = [f"{skipped.count} lines of the journal can't be read"] if skipped.count else []
    if [record.seq for record in records] != list(range(1, len(records) + 1)):
        found.append("the journal's records are not numbered without gaps")
    rows = len(run.history.read_text().splitlines()) - 1
    if rows != (epochs := len(fold(records).epochs)):
        found.append(f"history.csv has {rows} rows, the journal has {epochs} epochs")
    return [*found, *(f"{name} was left behind" for name in temporaries(run))]


def temporaries(run: RunFolder) -> list[str]:
    """Return the names of the temporary files in a run's folder."""
    return sorted(path.name for path in run.path.rglob(".*.tmp"))


def is_training(runs_dir: Path, starts: int, phase: str) -> bool:
    """Return whether the only run trains this phase or a later one, after `starts` starts."""
    runs = list(runs_dir.glob("*/events.jsonl"))
    if not runs:
        return False
    records = replay(runs[0])[0]
    state = fold(records)
    has_begun = PHASES.index(state.phase or PHASES[0]) >= PHASES.index(phase)
    return has_begun and _resumed(records) >= starts - 1 and state.progress is not None


def restarts(run: RunFolder) -> int:
    """Return how often a run was resumed."""
    return _resumed(replay(run.journal)[0])


def _resumed(records: Iterable[Record]) -> int:
    return sum(isinstance(record.event, RunResumed) for record in records)


def ranks_of(process: psutil.Process) -> list[psutil.Process]:
    """Return the ranks that torchrun has started in this process tree."""
    found = []
    for child in process.children(recursive=True) if process.is_running() else ():
        with contextlib.suppress(psutil.Error):  # gone, or a zombie
            if "RANK" in child.environ() and "tui" in child.cmdline():
                found.append(child)
    return found


def wait_for(ready: Callable[[], bool]) -> None:
    """Wait until `ready`; raises TimeoutError if that takes too long."""
    end = time.monotonic() + _TIMEOUT_SECONDS
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError("the ranks were not restarted")
        time.sleep(0.05)


def verdict(name: str, problems: list[str], figures: str) -> int:
    """Print the problems and a line with the verdict; returns the exit code."""
    for problem in problems:
        print(f"  problem: {problem}")
    print(f"{name}: {'FAILED' if problems else 'passed'}; {figures}", flush=True)
    return 1 if problems else 0


def _same_checkpoint(run: RunFolder, other: RunFolder, name: str) -> bool:
    try:
        contents = [read_checkpoint(folder.checkpoints / name) for folder in (run, other)]
    except (OSError, DamagedCheckpoint):
        return False
    return _same(contents[0], contents[1])


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return _bytes(a) == _bytes(b) and (a.dtype, a.shape) == (b.dtype, b.shape)
    if isinstance(a, Mapping):
        keys = [key for key in a if not str(key).endswith("_seconds")]
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in keys)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)


def _bytes(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()


def _epochs(run: RunFolder) -> list[dict[str, Any]]:
    points = fold(replay(run.journal)[0]).epochs
    rows = [{"x": point.x, **asdict(point.result)} for point in points]
    return [{key: value for key, value in row.items() if key not in _TIMES} for row in rows]
