"""Fill the disk under a run again and again; it must rest, go on by itself and end the same.

    python -m tests.stress.disk [--fills 12] [--seed 1] [--inject] [--ranks 2]

The run's folder, its checkpoints and its cache lie on small file systems of their own, made with
`mount -t tmpfs`. A ballast file fills the folder's (then the journal or `history.csv` can't be
written) or the checkpoints' in turn, at random moments of both phases, and goes once the run says
that it rests. The cache's is too small from the beginning. Where mounting is not allowed, or with
`--inject`, the run's own writes are made to fail instead. With several ranks on this CPU rank 0
writes, and all must rest.

Prints a line a fill and a verdict; exits with 1 when the run doesn't rest or go on, when a kind of
write was never refused twice, when weights or epochs differ from those of a run with room enough,
or when a temporary file is left.
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
from core.events.types import Event, Record
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
_SAYS_WHAT = re.compile(r"the (\S+) can't be written")


class Disk(Protocol):
    """Where a run writes to, and how to make that full."""

    environment: dict[str, str]
    """What the run needs in its environment."""

    def lay_under(self, run: RunFolder) -> None:
        """Take in the run, before it has written a checkpoint."""

    def fill(self, where: str, choose: random.Random) -> None:
        """Let writes to the run's folder, or to its checkpoints, fail from now on."""

    def empty(self) -> None:
        """Let them succeed again."""


class SmallDisk:
    """File systems in memory that a ballast file fills."""

    def __init__(self, work: Path) -> None:
        self.environment = surroundings(work)
        self._places = {FOLDER: work / "runs"}
        self._mounted: list[Path] = []
        self._mount(work / "runs", _FOLDER_BYTES)
        self._mount(work / "cache", _CACHE_BYTES)

    def lay_under(self, run: RunFolder) -> None:
        """Give the checkpoints a file system of their own."""
        self._mount(run.checkpoints, _CHECKPOINTS_BYTES)
        self._places[CHECKPOINTS] = run.checkpoints

    def fill(self, where: str, choose: random.Random) -> None:
        """Leave no room, or for checkpoints perhaps enough to begin with one."""
        room = choose.randrange(self._checkpoint_bytes()) if where == CHECKPOINTS else 0
        with self._ballast(where).open("wb") as file:
            fill_up(file.fileno(), room)

    def empty(self) -> None:
        """Take the ballast away."""
        for where in self._places:
            self._ballast(where).unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount everything."""
        while self._mounted:
            subprocess.run(["umount", self._mounted.pop()], check=True)

    def _checkpoint_bytes(self) -> int:
        return (self._places[CHECKPOINTS] / "last.pt").stat().st_size

    def _ballast(self, where: str) -> Path:
        # Not in the directory of runs itself, which holds runs alone.
        folder = self._places[where]
        return (only_run(folder).path if where == FOLDER else folder) / "ballast"

    def _mount(self, place: Path, size: int) -> None:
        place.mkdir(parents=True, exist_ok=True)
        arguments = ["mount", "-t", "tmpfs", "-o", f"size={size}", "stress", str(place)]
        subprocess.run(arguments, check=True, capture_output=True)
        self._mounted.append(place)


class RefusingDisk:
    """A disk with room enough, whose writes are made to fail in the run's own process."""

    def __init__(self, work: Path) -> None:
        self._switch = work / "full"
        self.environment = surroundings(work, **hooks(STRESS_FULL=str(self._switch)))

    def lay_under(self, run: RunFolder) -> None:
        """Nothing to do."""

    def fill(self, where: str, choose: random.Random) -> None:
        """Refuse one kind of writes."""
        kind = "checkpoint" if where == CHECKPOINTS else choose.choice(("journal", "history"))
        self._switch.write_text(kind)

    def empty(self) -> None:
        """Refuse nothing."""
        self._switch.unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing to do."""


class Told:
    """A run's process, by the events that it prints: its journal may be what can't be written."""

    def __init__(self, runs_dir: Path, changes: list[str], environment: dict[str, str]) -> None:
        arguments = ("--no-ui", "--log-format", "json", "--runs-dir", str(runs_dir))
        self._process = subprocess.Popen(
            command(*arguments, *changes), env=environment, stdout=subprocess.PIPE
        )
        self._events = self._read()

    def wait_for(self, fits: Callable[[Event], bool]) -> Event:
        """Return the next event that fits; raises RuntimeError when the run ends before."""
        for event in self._events:
            if fits(event):
                return event
        raise RuntimeError(f"the process ended with {self._process.wait()}")

    def wait(self) -> tuple[list[Event], int]:
        """Wait for the end; returns the events until then, and the exit code."""
        return list(self._events), self._process.wait()

    def close(self) -> None:
        """End the process if it still lives."""
        self._process.kill()
        self._process.wait()

    def _read(self) -> Iterator[Event]:
        assert self._process.stdout is not None
        pipe, rest = self._process.stdout.fileno(), b""
        while True:
            if not select.select([pipe], [], [], PATIENCE)[0]:
                raise TimeoutError(f"the run said nothing for {PATIENCE:g} s")
            chunk = os.read(pipe, 65536)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield Record.from_json(line).event


def main() -> int:
    """Train with and without room; returns the exit code."""
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
        roomy = train(work / "roomy" / "runs", *changes)
        with disk_in(work / "small", arguments.inject) as disk:
            return squeeze(work / "small", disk, changes, roomy, arguments.fills, choose)


@contextmanager
def disk_in(work: Path, inject: bool) -> Iterator[Disk]:
    """Yield a disk that can be filled; it is gone afterwards."""
    work.mkdir()
    disk: SmallDisk | RefusingDisk | None = None
    if not inject:
        with suppress(OSError, subprocess.CalledProcessError):
            disk = SmallDisk(work)
    if disk is None:
        disk = RefusingDisk(work)
    print(f"the disk: {disk.__doc__}", flush=True)
    try:
        yield disk
    finally:
        disk.close()


def squeeze(
    work: Path,
    disk: Disk,
    changes: list[str],
    roomy: RunFolder,
    fills: int,
    choose: random.Random,
) -> int:
    """Train on a disk that is full now and then; returns the exit code."""
    run = Told(work / "runs", changes, disk.environment)
    try:
        run.wait_for(lambda event: isinstance(event, ev.DataReady))
        folder = only_run(work / "runs")
        disk.lay_under(folder)
        refused = fill_again_and_again(run, disk, fills, choose)
        rest, exit_code = run.wait()
    finally:
        run.close()
    problems = [f"exit code {exit_code}"] if exit_code else []
    problems += [f"a warning without a full disk: {e}" for e in rest if is_disk_warning(e)]
    problems += [f"different: {name}" for name in differences(roomy, folder)]
    problems += faults(folder)
    seldom = [kind for kind in KINDS if refused[kind] < _TIMES_EACH]
    problems += [f"the {kind} was refused {refused[kind]} times" for kind in seldom]
    counts = ", ".join(f"{kind} {refused[kind]}" for kind in KINDS)
    figures = f"{refused.total()} fills answered by resting and going on (refused first: {counts})"
    return verdict("disk", problems, figures)


def fill_again_and_again(run: Told, disk: Disk, fills: int, choose: random.Random) -> Counter[str]:
    """Fill and empty the disk, half of the times in each phase; returns what was refused."""
    refused: Counter[str] = Counter()
    number = 0
    for phase, count in zip(PHASES, (fills // 2, fills - fills // 2), strict=True):
        run.wait_for(partial(has_begun, phase))
        for place in range(count):
            number += 1
            where = CHECKPOINTS if place % 2 else FOLDER
            refused[fill_once(run, disk, number, where, choose)] += 1
    while number < _MOST_FILLS and any(refused[kind] < _TIMES_EACH for kind in KINDS):
        number += 1
        where = CHECKPOINTS if refused["checkpoint"] < _TIMES_EACH else FOLDER
        refused[fill_once(run, disk, number, where, choose)] += 1
    return refused


def fill_once(run: Told, disk: Disk, number: int, where: str, choose: random.Random) -> str:
    """Fill the disk at a random moment until the run rests; returns what was refused first."""
    for _ in range(choose.randint(1, 8)):
        moment = run.wait_for(lambda event: isinstance(event, ev.Progress))
    warning = None
    while not isinstance(warning, ev.Warned):
        # A write that was under way may have ended well, and have left more room than before.
        disk.fill(where, choose)
        warning = run.wait_for(lambda event: is_disk_warning(event) or is_written(event))
    disk.empty()
    resumed = run.wait_for(lambda event: isinstance(event, ev.Resumed))
    assert isinstance(moment, ev.Progress)
    assert isinstance(resumed, ev.Resumed)
    found = _SAYS_WHAT.search(warning.message)
    what = found[1] if found else warning.message
    print(
        f"fill {number:2}: the {where} in {moment.phase} epoch {moment.epoch} {moment.stage}: "
        f"{what} was refused, went on after {resumed.seconds:.1f} s",
        flush=True,
    )
    return what


def fill_up(file: int, room: int) -> None:
    """Write to a file until its file system has only `room` bytes left."""
    status = os.fstatvfs(file)
    size = status.f_bavail * status.f_frsize - room
    if size > 0:
        with suppress(OSError):
            os.posix_fallocate(file, 0, size)
    if room:
        return
    with suppress(OSError):
        while True:
            os.pwrite(file, b"\0" * status.f_frsize, os.fstat(file).st_size)


def is_disk_warning(event: Event) -> bool:
    """Whether a run tells that the disk refuses something."""
    return isinstance(event, ev.Warned) and event.code == "disk"


def is_written(event: Event) -> bool:
    """Whether an event tells that something is on the disk."""
    return isinstance(event, ev.CheckpointSaved | ev.EpochEnded)


def has_begun(phase: str, event: Event) -> bool:
    """Whether an event tells that the first epoch of this phase is done, and saved or nearly so."""
    return isinstance(event, ev.EpochEnded) and event.phase == phase


if __name__ == "__main__":
    sys.exit(main())
