"""The command line as a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.tools import processes
from tests.tools.processes import REPOSITORY, Process

PLAIN = (
    "phases.full.lr=1e-4",
    "phases.full.weight_decay=1e-4",
    "phases.full.scheduler.kind=plateau",
    "phases.full.warmup_epochs=0",
    "phases.full.early_stopping.patience=3",
    "phases.full.layer_decay=1.0",
    "phases.full.ema=null",
    "data.crop_pct=auto",
)
"""Phase full without what only the preset `default` adds, so that a test knows all that happens."""
SMALL = [
    *("--set", "model.name=test_convnext"),
    *("--set", "model.pretrained=false"),
    *("--set", "data.image_size=32"),
    *("--set", "data.batch_size=8"),
    *("--set", "data.workers=0"),
    *("--set", "precision=fp32"),
    *("--set", "memory_format=contiguous"),
    *("--set", "phases.head.epochs=2"),
    *("--set", "phases.full.epochs=1"),
    *(text for change in PLAIN for text in ("--set", change)),
]
ENDLESS = [
    *SMALL,
    *("--set", "phases.head.epochs=100000"),
    *("--set", "phases.head.early_stopping.patience=100000"),
]


def environment(**changes: str) -> dict[str, str]:
    """The test's environment without what changes output, and with one math thread."""
    kept = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "FORCE_COLOR", "COLUMNS"}}
    paths = os.pathsep.join(p for p in (str(REPOSITORY), kept.get("PYTHONPATH")) if p)
    return {**kept, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths, **changes}


def command(*arguments: str) -> list[str]:
    """The installed command: unlike `python -m` alone, it imports nothing from where one stands."""
    return [sys.executable, "-P", "-m", "tui", *arguments]


def put_namesakes(folder: Path) -> None:
    """Make folders that are called as the program's own are, as a person may have them."""
    for name in ("core", "tui"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise SystemExit('not the program')\n")


def run(
    *arguments: str, cwd: Path, given: bytes = b"", **changes: str
) -> "subprocess.CompletedProcess[str]":
    """Run the command without a terminal, in a forked process, to its end; see `processes`.

    Processes that it has started end with it. `given` is its standard input.
    """
    environ = environment(**changes)
    return processes.run(command(*arguments)[1:], cwd=cwd, env=environ, input=given)


def start(*arguments: str, cwd: Path) -> Process:
    """Start the command in a forked process, with its standard output on a pipe."""
    return Process(command(*arguments)[1:], cwd=cwd, env=environment())


def run_new(*arguments: str, cwd: Path, **changes: str) -> "subprocess.CompletedProcess[str]":
    """Run the command in a new process, as it is run from a shell: slow where torch is needed."""
    return subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=environment(**changes),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def read_until(process: "Process | subprocess.Popen[str]", kind: str) -> dict[str, Any]:
    """Read JSON lines until an event of this type comes; fails when the output ends before."""
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event["type"] == kind:
            return event
    raise AssertionError(f"no {kind} before the end: {process.communicate()[1]}")
