"""Saved evaluations in a run folder: one JSON file each, as `evaluate --json` prints them."""

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from core.common.files import read_regular_file, write_text_atomically
from core.common.text import slug
from core.run.folder import RunFolder

_MAX_BYTES = 64 << 20
_FIGURES = ("top1", "top5", "macro_f1", "ece", "loss")


@dataclass(frozen=True, slots=True)
class SavedEvaluation:
    """One evaluation."""

    path: Path
    time: float
    """Unix time (s) of the evaluation."""
    content: dict[str, Any]
    """Its JSON object; known figures are validated as numbers, everything else is untrusted."""


def save_evaluation(folder: RunFolder, content: dict[str, Any], now: float) -> Path:
    """Save an evaluation in the run folder and return its file; raises OSError."""
    directory = folder.evaluations
    directory.mkdir(exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    data = content.get("data")
    part = str(data.get("part") or "folder") if isinstance(data, dict) else "folder"
    path = _claimed(directory, f"{stamp}-{slug(part)}")
    try:
        write_text_atomically(path, json.dumps(content, allow_nan=False, indent=2) + "\n")
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return path


def _claimed(folder: Path, stem: str) -> Path:
    """Create an empty file with a name that no other process uses, and return it."""
    for number in count(1):
        path = folder / (f"{stem}.json" if number == 1 else f"{stem}-{number}.json")
        with suppress(FileExistsError):
            path.touch(exist_ok=False)
            break
    return path


def list_evaluations(folder: RunFolder) -> list[SavedEvaluation]:
    """Return the evaluations of a run, newest first; skip files that are not evaluations."""
    try:
        files = sorted(folder.evaluations.glob("*.json"), reverse=True)
    except OSError:
        return []
    return [saved for file in files if (saved := _read(file)) is not None]


def _read(file: Path) -> SavedEvaluation | None:
    try:
        content = json.loads(read_regular_file(file, _MAX_BYTES))
        for name in _FIGURES:
            content[name] = float(content[name])
        return SavedEvaluation(file, file.stat().st_mtime, content)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
