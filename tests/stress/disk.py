"""Fill the disk of a run repeatedly; it must pause, resume by itself and have equal results.

    python -m tests.stress.disk [--fills 12] [--seed 1] [--inject] [--ranks 2]

The run folder, its checkpoints and its cache are on separate small file systems, created with
`mount -t tmpfs`. At random moments of both phases a ballast file fills that of the folder (then the
journal or `history.csv` can't be written) or that of the checkpoints in turn, and is removed once
the run reports a pause. The cache's file system is too small from the start. Without permission to
mount, or with `--inject`, the run's own writes fail instead. With several ranks on this CPU, rank 0
writes and all must pause.

Prints one line per fill and a verdict; exits with 1 if the run doesn't pause or resume, if a kind
of write failed less than twice, if weights or epochs differ from those of a run with enough space,
or if a temporary file is left.
"""

import argparse
import os
import random
import re
import select
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Protocol

from core.config.phases import PHASES
from core.events import types as ev
from core.events.record import Record
from core.events.types import Event
from core.run.folder import RunFolder
from tests.make_images import make_images
from tests.stress.common import (
    differences,
    faults,
    hooks,
    only_run,
    options,
    settings,
    surroundings,
    train,
    verdict,
)
from tests.stress.watch import PATIENCE
from tests.tui.command import command

KINDS = ("checkpoint", "journal", "history.csv")
FOLDER, CHECKPOINTS = "folder", "checkpoints"
_TIMES_EACH = 2
_MOST_FILLS = 40
_EPOCHS = {"head": 400, "full": 80}
_FOLDER_BYTES, _CHECKPOINTS_BYTES, _CACHE_BYTES = 8 << 20, 32 << 20, 16 << 10
_FAILED_WRITE = re.compile(r"the (\S+) can't be written")


class Disk(Protocol):
    """Disk of a run that can be filled."""

    environment: dict[str, str]
    """Environment variables of the run."""

    def prepare_for(self, run: RunFolder) -> None:
        """Prepare the disk for a run that has not written a checkpoint yet."""

    def fill(self, where: str, choose: random.Random) -> None:
        """Make writes to the run folder or to its checkpoints fail."""

    def empty(self) -> None:
        """Make writes succeed again."""


class SmallDisk:
    """File systems in memory, filled by a ballast file."""

    def __init__(self, work: Path) -> None:
        self.environment = surroundings(work)
        self._places = {FOLDER: work / "runs"}
        self._mounted: list[Path] = []
        self._mount(work / "runs", _FOLDER_BYTES)
        self._mount(work / "cache", _CACHE_BYTES)

    def prepare_for(self, run: RunFolder) -> None:
        """Mount a file system for the checkpoints."""
        self._mount(run.checkpoints, _CHECKPOINTS_BYTES)
        self._places[CHECKPOINTS] = run.checkpoints

    def fill(self, where: str, choose: random.Random) -> None:
        """Leave no space, or for checkpoints perhaps enough to start one."""
        free = choose.randrange(self._checkpoint_bytes()) if where == CHECKPOINTS else 0
        with self._ballast(where).open("wb") as file:
            fill_up(file.fileno(), free)

    def empty(self) -> None:
        """Remove the ballast files."""
        for where in self._places:
            self._ballast(where).unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount everything."""
        while self._mounted:
            subprocess.run(["umount", self._mounted.pop()], check=True)

    def _checkpoint_bytes(self) -> int:
        return (self._places[CHECKPOINTS] / "last.pt").stat().st_size

    def _ballast(self, where: str) -> Path:
        # Not in the runs directory itself, which contains only runs.
        folder = self._places[where]
        return (only_run(folder).path if where == FOLDER else folder) / "ballast"

    def _mount(self, place: Path, size: int) -> None:
        place.mkdir(parents=True, exist_ok=True)
        arguments = ["mount", "-t", "tmpfs", "-o", f"size={size}", "stress", str(place)]
        subprocess.run(arguments, check=True, capture_output=True)
        self._mounted.append(place)


class RefusingDisk:
    """A disk with enough space, whose writes fail in the process of the run."""

    def __init__(self, work: Path) -> None:
        self._switch = work / "full"
        self.environment = surroundings(work, **hooks(STRESS_FULL=str(self._switch)))

    def prepare_for(self, run: RunFolder) -> None:
        """Do nothing."""

    def fill(self, where: str, choose: random.Random) -> None:
        """Make one kind of writes fail."""
        kind = "checkpoint" if where == CHECKPOINTS else choose.choice(("journal", "history"))
        self._switch.write_text(kind)

    def empty(self) -> None:
        """Make no writes fail."""
        self._switch.unlink(missing_ok=True)

    def close(self) -> None:
        """Do nothing."""


class PrintedRun:
    """A run as a process with its printed events, because its journal may not be writable."""

    def __init__(self, runs_dir: Path, changes: list[str], environment: dict[str, str]) -> None:
        arguments = ("--no-ui", "--log-format", "json", "--runs-dir", str(runs_dir))
        self._process = subprocess.Popen(
            command(*arguments, *changes), env=environment, stdout=subprocess.PIPE
        )
        self._events = self._read()

    def wait_for(self, matches: Callable[[Event], bool]) -> Event:
        """Return the next matching event; raises RuntimeError if the run ends before."""
        for event in self._events:
            if matches(event):
                return event
        raise RuntimeError(f"the process ended with {self._process.wait()}")

    def wait(self) -> tuple[list[Event], int]:
        """Wait for the end; returns the events until then, and the exit code."""
        return list(self._events), self._process.wait()

    def close(self) -> None:
        """Kill the process if it is still alive."""
        self._process.kill()
        self._process.wait()

    def _read(self) -> Iterator[Event]:
        assert self._process.stdout is not None
        pipe, rest = self._process.stdout.fileno(), b""
        while True:
            if not select.select([pipe], [], [], PATIENCE)[0]:
                raise TimeoutError(f"no output for {PATIENCE:g} s")
            chunk = os.read(pipe, 65536)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield Record.from_json(line).event


def main() -> int:
    """Train with and without enough space; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--inject", action="store_true", help="mount nothing")
    parser.add_argument("--ranks", type=int, default=1)
    arguments = parser.parse_args()
    choose = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        photos = make_images(work / "photos", classes=3, per_class=60)
        changes = options(settings(photos, *_EPOCHS.values()))
        if arguments.ranks > 1:
            changes += ["--device", "cpu", "--gpus", str(arguments.ranks)]
        undisturbed = train(work / "undisturbed" / "runs", *changes)
        with disk_in(work / "small", arguments.inject) as disk:
            return train_on(work / "small", disk, changes, undisturbed, arguments.fills, choose)


@contextmanager
def disk_in(work: Path, inject: bool) -> Iterator[Disk]:
    """Yield a disk that can be filled, and remove it afterwards."""
    work.mkdir()
    disk: SmallDisk | RefusingDisk | None = None
    if not inject:
        with suppress(OSError, subprocess.CalledProcessError):
            disk = SmallDisk(work)
    if disk is None:
        disk = RefusingDisk(work)
    print(f"disk: {disk.__doc__}", flush=True)
    try:
        yield disk
    finally:
        disk.close()


def train_on(
    work: Path,
    disk: Disk,
    changes: list[str],
    undisturbed: RunFolder,
    fills: int,
    choose: random.Random,
) -> int:
    """Train on a disk that is filled repeatedly; returns the exit code."""
    run = PrintedRun(work / "runs", changes, disk.environment)
    try:
        run.wait_for(lambda event: isinstance(event, ev.DataReady))
        folder = only_run(work / "runs")
        disk.prepare_for(folder)
        failed = fill_repeatedly(run, disk, fills, choose)
        rest, exit_code = run.wait()
    finally:
        run.close()
    problems = [f"exit code {exit_code}"] if exit_code else []
    problems += [f"a warning without a full disk: {e}" for e in rest if is_disk_warning(e)]
    problems += [f"different: {name}" for name in differences(undisturbed, folder)]
    problems += faults(folder)
    seldom = [kind for kind in KINDS if failed[kind] < _TIMES_EACH]
    problems += [f"the {kind} failed {failed[kind]} times" for kind in seldom]
    counts = ", ".join(f"{kind} {failed[kind]}" for kind in KINDS)
    figures = (
        f"{failed.total()} fills, each followed by a pause and a resume (first failure: {counts})"
    )
    return verdict("disk", problems, figures)


def fill_repeatedly(run: PrintedRun, disk: Disk, fills: int, choose: random.Random) -> Counter[str]:
    """Fill and empty the disk, half of the times in each phase; returns the failed writes."""
    failed: Counter[str] = Counter()
    number = 0
    for phase, count in zip(PHASES, (fills // 2, fills - fills // 2), strict=True):
        run.wait_for(partial(has_begun, phase))
        for place in range(count):
            number += 1
            where = CHECKPOINTS if place % 2 else FOLDER
            failed[fill_once(run, disk, number, where, choose)] += 1
    while number < _MOST_FILLS and any(failed[kind] < _TIMES_EACH for kind in KINDS):
        number += 1
        where = CHECKPOINTS if failed["checkpoint"] < _TIMES_EACH else FOLDER
        failed[fill_once(run, disk, number, where, choose)] += 1
    return failed


def fill_once(run: PrintedRun, disk: Disk, number: int, where: str, choose: random.Random) -> str:
    """Fill the disk at a random moment until the run pauses; returns the first failed write."""
    for _ in range(choose.randint(1, 8)):
        moment = run.wait_for(lambda event: isinstance(event, ev.Progress))
    warning = None
    while not isinstance(warning, ev.Warned):
        # A write in progress may have succeeded and left more space than before.
        disk.fill(where, choose)
        warning = run.wait_for(lambda event: is_disk_warning(event) or is_written(event))
    disk.empty()
    resumed = run.wait_for(lambda event: isinstance(event, ev.Resumed))
    assert isinstance(moment, ev.Progress)
    assert isinstance(resumed, ev.Resumed)
    found = _FAILED_WRITE.search(warning.message)
    what = found[1] if found else warning.message
    print(
        f"fill {number:2}: the {where} in {moment.phase} epoch {moment.epoch} {moment.stage}: "
        f"writing {what} failed, resumed after {resumed.seconds:.1f} s",
        flush=True,
    )
    return what


def fill_up(file: int, free: int) -> None:
    """Write to a file until its file system has only `free` bytes left."""
    status = os.fstatvfs(file)
    size = status.f_bavail * status.f_frsize - free
    if size > 0:
        with suppress(OSError):
            os.posix_fallocate(file, 0, size)
    if free:
        return
    with suppress(OSError):
        while True:
            os.pwrite(file, b"\0" * status.f_frsize, os.fstat(file).st_size)


def is_disk_warning(event: Event) -> bool:
    """Return whether an event warns of the disk."""
    return isinstance(event, ev.Warned) and event.code == "disk"


def is_written(event: Event) -> bool:
    """Return whether an event reports a finished write."""
    return isinstance(event, ev.CheckpointSaved | ev.EpochEnded)


def has_begun(phase: str, event: Event) -> bool:
    """Return whether an event is the end of an epoch of this phase."""
    return isinstance(event, ev.EpochEnded) and event.phase == phase


if __name__ == "__main__":
    sys.exit(main())
