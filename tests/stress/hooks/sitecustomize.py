"""Imported at the start of each Python process with this folder on its PYTHONPATH.

Depending on environment variables, blocks a run in the middle of a write or a pass (see
`tests.stress.gate`), fails writes like a full disk (see `tests.stress.disk`), and fails the program
at chosen places (see `tests.stress.endings`).
"""

import errno
import io
import json
import os
import re
import socket
from pathlib import Path
from typing import Any

_GATE, _FULL = os.environ.get("STRESS_GATE", ""), os.environ.get("STRESS_FULL", "")
_PARTLY_WRITTEN = 1_000_000
_plain_open, _plain_fsync = Path.open, os.fsync
_plain_replace, _plain_write = os.replace, os.write


def _target(temporary: Any) -> str:
    """Return the final name of a temporary file; empty for any other file."""
    found = re.fullmatch(r"\.(.+)\.\d+\.tmp", Path(temporary).name)
    return found[1] if found else ""


def _opened(number: int) -> Path:
    return Path(f"/proc/self/fd/{number}").readlink()


class _Gate:
    """Blocks at its stage, the n-th time, until the other process releases it."""

    def __init__(self, place: str, file: str, number: str, address: str) -> None:
        self._wanted = (place, file)
        self._address = address
        self._left = int(number)

    def pass_by(self, place: str, file: str) -> None:
        if (place, file) != self._wanted:
            return
        self._left -= 1
        if self._left == 0:
            with socket.socket(socket.AF_UNIX) as line:
                line.connect(self._address)
                line.recv(1)


class _FullDisk:
    """Fails writes of the kinds that are listed in the switch file."""

    def __init__(self, switch: str) -> None:
        self._switch = Path(switch)

    def refuse(self, kind: str) -> None:
        try:
            kinds = self._switch.read_text().split()
        except FileNotFoundError:
            return
        if kind in kinds:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


_gate = _Gate(*_GATE.split("|")) if _GATE else None
_disk = _FullDisk(_FULL) if _FULL else None


class _Watched(io.BufferedWriter):
    """The temporary file of `target`."""

    def __init__(self, raw: Any, target: str) -> None:
        super().__init__(raw)
        self._target = target
        self._count = 0

    def write(self, data: Any) -> int:
        if _disk:
            _disk.refuse("history" if self._target == "history.csv" else "checkpoint")
        written = super().write(data)
        before, self._count = self._count, self._count + written
        if _gate and before < _PARTLY_WRITTEN <= self._count:
            self.flush()
            _gate.pass_by("write", self._target)
        return written


def _open(self: Path, mode: str = "r", *arguments: Any, **named: Any) -> Any:
    file = _plain_open(self, mode, *arguments, **named)
    target = _target(self) if mode == "wb" else ""
    return _Watched(file.detach(), target) if target else file


def _fsync(file: Any) -> None:
    number = file if isinstance(file, int) else file.fileno()
    if _gate and (target := _target(_opened(number))):
        _gate.pass_by("fsync", target)
    _plain_fsync(file)


def _replace(source: Any, target: Any, **named: Any) -> None:
    if _gate and (name := _target(source)):
        _gate.pass_by("rename", name)
    _plain_replace(source, target, **named)


def _write(number: int, data: Any) -> int:
    if _opened(number).name != "events.jsonl":
        return _plain_write(number, data)
    if _disk:
        _disk.refuse("journal")
    written = _plain_write(number, data)
    if _gate and b'"Progress"' in data:
        event = json.loads(bytes(data).splitlines()[-1])
        if event["type"] == "Progress" and event["step"] < event["steps"]:
            _gate.pass_by(event["stage"], event["phase"])
    return written


if _gate or _disk:
    Path.open = _open  # type: ignore[method-assign,assignment]
    os.fsync, os.replace, os.write = _fsync, _replace, _write  # type: ignore[assignment]

if "STRESS_FAILURES" in os.environ:
    import failures  # noqa: F401
