"""Perform one case: start a run, let it fail or send it a signal, and see how it ends."""

import json
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path

import psutil

from core.events import types as ev
from core.events.types import Event
from core.run.folder import RunFolder
from tests.stress.common import headless, hooks, options, settings, surroundings
from tests.stress.endings import leftovers
from tests.stress.endings.ways import APP, LIFE, RANKS, STOP_SIGNALS, Case
from tests.stress.gate import Gate
from tests.stress.watch import Run, start, start_on_terminal
from tests.tui.command import command

EPOCHS = {"head": 3, "full": 14}
"""With half of the images for validation, so that it has several steps, too."""
PATIENCE = 120.0
"""Seconds for a run to reach a moment, or its end after it has failed."""
AWAY_SECONDS = 10.0
_COLUMNS = 400
"""Wide enough for every line that an app leaves on its terminal."""
_REPEAT_SECONDS = 1.2
"""A second signal before this is taken for a repeat of the first."""
_KEYS = {"action": b"?", "dialog": b"?"}
"""Keys that bring an app to a place where it fails."""
_TARGETS = ("process", "group")
"""Of signals: as of `kill`, and as of a terminal."""
_AT_START = ("scan", "build", "loaders", "begin-phase", "screen")
_LAST_EPOCH = 4


def changes(case: Case, photos: Path) -> list[str]:
    """Return the options of a run."""
    values = settings(photos, *EPOCHS.values(), data__workers=1, data__val_fraction=0.5)
    ranks = ["--device", "cpu", "--gpus", "2"] if case.shown == RANKS else []
    return [*options(values | case.way.settings), *ranks]


class Performance:
    """One run that is made to end."""

    def __init__(self, case: Case, photos: Path, work: Path, slack: float) -> None:
        """The run and all its files are in `work`; its images may be moved away for a while."""
        self.case = case
        self.slack = slack
        self.choose = random.Random(case.seed)
        self.runs_dir = work / "runs"
        self.photos = photos
        self._moved = work / "moved"
        self.temporary = work / "tmp"
        self.failures = work / "failures"
        self.temporary.mkdir()
        self.failures.mkdir()
        self.marker = str(work)
        self.place = self.choose.choice(case.way.places) if case.way.places else ""
        self.exception = self.choose.choice(case.way.exceptions)
        self.target = "process" if case.shown == RANKS else self.choose.choice(_TARGETS)
        self.notes: list[str] = [f"{self.exception} in {self.place}"] if self.place else []
        self.acted_at = time.time()
        """Unix time from which the process has no reason to live longer than its run."""

    @property
    def _hangs_up(self) -> bool:
        """Whether the terminal is closed, which hides errors, instead of only sending SIGHUP."""
        return self.target == "group" and self.case.way.name.startswith("signal-")

    @property
    def changes(self) -> list[str]:
        """The options of the run, also for its resumption."""
        return changes(self.case, self.photos)

    def environment(self) -> dict[str, str]:
        """Environment variables of all processes of the run."""
        return surroundings(
            self.runs_dir.parent,
            **hooks(
                STRESS_FAILURES=str(self.failures),
                STRESS_CONSTANTS=json.dumps(self.case.way.constants),
            ),
            **{leftovers.MARKER: self.marker},
            CONVNEXT_TUI_CONFIG=str(self.runs_dir.parent / "config"),
            PYTHONFAULTHANDLER="1",
            TORCHINDUCTOR_CACHE_DIR=str(self.runs_dir.parent / "cache" / "inductor"),
            TMPDIR=str(self.temporary),
        )

    def run(self) -> "Run":
        """Let the run end; returns it, without having waited for its end."""
        gate = self._gate()
        environment = self.environment() | (gate.environment if gate else {})
        if self.place in _AT_START:
            self._arm()
        if self.case.shown == APP:
            program = command("--runs-dir", str(self.runs_dir), *self.changes)
            run = start_on_terminal(program, self.runs_dir, environment, columns=_COLUMNS)
        else:
            program = headless(self.runs_dir, *self.changes)
            run = start(program, self.runs_dir, environment, in_session=True)
        with gate or nullcontext():
            try:
                self._perform(run, gate)
            except (RuntimeError, TimeoutError) as error:  # it has ended before, or does not begin
                self.notes.append(str(error))
        return run

    def _gate(self) -> Gate | None:
        folder = self.runs_dir.parent
        if self.case.way.event == "saving":
            return Gate.in_saving(folder, self.choose, first=self.choose.randint(1, 6))
        if self.case.way.event == "validation":
            return Gate(folder, "val", "full", self.choose.randint(1, 4))
        return None

    def _perform(self, run: Run, gate: Gate | None) -> None:
        self._reach(run, gate)
        if self.case.way.event not in LIFE or self.place:
            self._fail(run)
            self.acted_at = time.time()
            if self.case.signal:
                run.ends_within(self.choose.uniform(0.0, 2.0))
        self._signal(run, gate)
        self._finish(run)

    def _reach(self, run: Run, gate: Gate | None) -> None:
        event = self.case.way.event
        if gate is not None:
            run.wait_at(gate)
            return
        if event == "any":
            event = self.choose.choice(("scan", "torch", "first-epoch", "full"))
        if event == "start":
            run.ends_within(self.choose.uniform(0.0, 2.0))
            return
        limit = self.slack * PATIENCE
        run.wait_for(_MOMENTS[event], limit)
        if event == "full":
            for _ in range(self.choose.randint(0, _LAST_EPOCH)):
                run.wait_for(_MOMENTS[event], limit)
        delay = 1.0 if event == "end" else 0.3
        run.ends_within(self.choose.uniform(0.0, delay))  # any moment between two events

    def _arm(self) -> None:
        text = f"{self.case.way.often} {self.exception}"
        (self.failures / self.place).write_text(text)

    def _fail(self, run: Run) -> None:
        name = self.case.way.name
        if name == "data-gone-in-scan":
            self.photos.rename(self._moved)
            (self.failures / self.place).unlink()
        elif self.place:
            self._arm()
            if run.terminal is not None and self.place in _KEYS:
                run.terminal.type(_KEYS[self.place])
        elif name in _VICTIMS:
            victims = [p for p in self._processes() if _VICTIMS[name](p)]
            if not victims:
                raise RuntimeError(f"{name}: there is no such process")
            victim = self.choose.choice(victims)
            with suppress(psutil.Error):
                victim.kill()
        elif name.startswith("data-"):
            self.photos.rename(self._moved)
        elif name.startswith("folder-"):
            run.folder.path.rename(self._moved)

    def _finish(self, run: Run) -> None:
        """Give back what the run has lost for a while."""
        name = self.case.way.name
        if name == "disk-full":
            run.ends_within(self.choose.uniform(0.5, 3.0))
            (self.failures / self.place).unlink(missing_ok=True)
        elif name in ("data-away", "data-away-cached"):
            run.ends_within(AWAY_SECONDS)
            self.give_back()
        elif name == "folder-away":
            run.ends_within(self.choose.uniform(1.0, AWAY_SECONDS))
            self.give_back()

    @property
    def folder(self) -> RunFolder | None:
        """The run's folder where it is now; None if there is none."""
        paths = sorted(self.runs_dir.iterdir()) if self.runs_dir.is_dir() else []
        if not paths and _is_run(self._moved):
            paths = [self._moved]
        return RunFolder(paths[0]) if paths else None

    def give_back(self) -> None:
        """Move everything back that was moved away, and let nothing fail any more."""
        for path in self.failures.iterdir():
            path.unlink(missing_ok=True)
        if self._moved.exists():
            self._moved.rename(self._run_path() if _is_run(self._moved) else self.photos)

    def _run_path(self) -> Path:
        with (self._moved / "events.jsonl").open() as file:
            return self.runs_dir / str(json.loads(file.readline())["run_id"])

    def _signal(self, run: Run, gate: Gate | None) -> None:
        given = self.case.signal
        if given == "SIGTSTP":
            self._send(run, signal.SIGTSTP)
            run.ends_within(self.choose.uniform(0.2, 1.0))
            self._send(run, signal.SIGCONT)
        elif given == "SIGHUP" and self._hangs_up and run.terminal is not None:
            run.terminal.hang_up()
            self.notes.append("closed terminal")
        elif given:
            self._send(run, signal.Signals[given])
        if gate is not None:
            run.ends_within(self.choose.uniform(0.0, 0.5))
            gate.release()
        may_hang = given in STOP_SIGNALS and not self.case.way.ends_alone
        is_repeated = may_hang and self.choose.random() < 0.5
        if is_repeated and not run.ends_within(_REPEAT_SECONDS + self.choose.uniform(0.0, 1.0)):
            self.notes.append("twice")
            self._send(run, signal.Signals[given])
        if given:
            self.acted_at = time.time()

    def _send(self, run: Run, number: int) -> None:
        send = os.killpg if self.target == "group" else os.kill
        with suppress(ProcessLookupError):
            send(run.process.pid, number)

    def _processes(self) -> list[psutil.Process]:
        return leftovers.processes(self.marker)


def _is_run(path: Path) -> bool:
    return (path / "events.jsonl").exists()


def _is_preparing(event: Event, stage: str) -> bool:
    return isinstance(event, ev.Preparing) and event.stage == stage


_MOMENTS: dict[str, Callable[[Event], bool]] = {
    "scan": lambda event: isinstance(event, ev.RunStarted),
    "torch": lambda event: _is_preparing(event, "loading torch"),
    "first-epoch": lambda event: isinstance(event, ev.PhaseStarted),
    "full": lambda event: isinstance(event, ev.EpochEnded) and event.phase == "full",
    "phase-change": lambda event: isinstance(event, ev.PhaseEnded) and event.phase == "head",
    "end": lambda event: isinstance(event, ev.RunEnded),
}
assert set(_MOMENTS) | {"start", "validation", "saving"} == set(LIFE) | {"full"}


def _command_line(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def _is_fork_server(process: psutil.Process) -> bool:
    return "multiprocessing.forkserver" in _command_line(process) and not _is_worker(process)


def _is_worker(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        parent = process.parent()
        own = _command_line(process)
        return "forkserver" in own and parent is not None and _command_line(parent) == own
    return False


def _is_rank(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        is_main = "-m tui" in _command_line(process)
        return is_main and "RANK" in process.environ()
    return False


def _is_agent(process: psutil.Process) -> bool:
    return "-m core.distributed " in _command_line(process)


_VICTIMS: dict[str, Callable[[psutil.Process], bool]] = {
    "worker-killed": _is_worker,
    "fork-server-killed": _is_fork_server,
    "rank-killed": _is_rank,
    "agent-killed": _is_agent,
}
"""By way: which of the run's processes is killed."""
