"""Trials that a sweep has asked for: `trials.jsonl`, one line each, in order.

A line is written before the run of its trial starts, and never changed. How the trial ended is in
its run. Both together are the sweep; the sampler's own file is rebuilt from them if it is lost.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.common.errors import SetupError
from core.common.text import printable
from core.study.definition import Study

_MAX_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial that was asked for."""

    number: int
    """From 1."""
    values: Mapping[str, Any]


def read_trials(study: Study) -> list[Trial]:
    """Return the trials in order, without a last line that is incomplete after a crash.

    Raises SetupError for a damaged file.
    """
    try:
        with study.trials.open("rb") as file:
            lines = file.read(_MAX_BYTES).splitlines(keepends=True)
    except OSError:
        return []
    found: list[Trial] = []
    for line in lines:
        if not line.endswith(b"\n"):
            break
        trial = _parsed(line)
        if trial is None or trial.number != len(found) + 1:
            shown = printable(str(study.trials))
            raise SetupError(f"{shown}: line {len(found) + 1} is damaged; expected a trial")
        found.append(trial)
    return found


def append_trial(study: Study, trial: Trial) -> None:
    """Write the line of a new trial to disk; raises OSError. The sweep must be locked."""
    content = {"trial": trial.number, "values": dict(trial.values)}
    drop_incomplete_line(study.trials)
    with study.trials.open("ab") as file:
        file.write(json.dumps(content).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def drop_incomplete_line(path: Path) -> None:
    """Remove what follows the last line end of a file: a process was killed while it wrote."""
    try:
        with path.open("rb+") as file:
            end = file.seek(0, os.SEEK_END)
            size = end
            while size:
                start = max(0, size - 4096)
                file.seek(start)
                found = file.read(size - start).rfind(b"\n")
                size = start + found + 1 if found >= 0 else start
                if found >= 0:
                    break
            if size != end:
                file.truncate(size)
    except FileNotFoundError:
        return


def _parsed(line: bytes) -> Trial | None:
    try:
        content = json.loads(line)
        values = content["values"]
        if not isinstance(values, dict):
            return None
        return Trial(int(content["trial"]), values)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
