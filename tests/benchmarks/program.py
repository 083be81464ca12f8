"""The program as users run it: in its own process, headless or on a terminal, followed by its
journal.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from core.config.key_docs import all_keys
from core.config.load import option_text
from core.events.journal import JournalReader, replay
from core.events.record import Record
from core.events.types import EpochEnded, Progress
from core.run.folder import RunFolder, run_folders
from tests.benchmarks.common import REPOSITORY
from tests.benchmarks.screen import OnScreen, Size, end_process

Settings = Mapping[str, object]
CACHE_VARIABLE = "CONVNEXT_TUI_CACHE"
_Kind = TypeVar("_Kind")

# Let torch choose the threads, and the program colors and rates.
_CHANGING = {
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NO_COLOR", "FORCE_COLOR", "COLORTERM"),
    *("COLUMNS", "LINES", "SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY", "TMUX", "STY"),
    *("TEXTUAL", "TEXTUAL_THEME", "TEXTUAL_COLOR_SYSTEM", "TEXTUAL_FPS", "TERM_PROGRAM"),
}
_NO_EARLY_END = 1_000_000


def environment(cache: Path | None = None, **changes: str) -> dict[str, str]:
    """Return this process' environment without variables that change speed or output.

    `cache` is the folder that the program may keep things in: a new one is a cold start.
    """
    kept = {name: value for name, value in os.environ.items() if name not in _CHANGING}
    kept["PYTHONPATH"] = os.pathsep.join(
        p for p in (str(REPOSITORY), kept.get("PYTHONPATH", "")) if p
    )
    if cache is not None:
        kept[CACHE_VARIABLE] = str(cache)
    return {**kept, "TERM": "xterm-256color", "COLORTERM": "truecolor", **changes}


def command(*arguments: str) -> list[str]:
    """Return the command line of the program."""
    return [sys.executable, "-m", "tui", *arguments]


def has_option(option: str) -> bool:
    """Return whether the program has a command line option."""
    told = subprocess.run(command("--help"), env=environment(), capture_output=True, text=True)
    return option in told.stdout


def known(settings: Settings) -> dict[str, object]:
    """Return the settings whose keys this version of the program has."""
    keys = set(all_keys())
    return {key: value for key, value in settings.items() if key in keys}


def to_the_last_epoch(phase: str, epochs: int) -> dict[str, object]:
    """Return settings that train only one phase, at a constant learning rate, for all epochs."""
    other = "full" if phase == "head" else "head"
    return {
        f"phases.{phase}.epochs": epochs,
        f"phases.{other}.epochs": 0,
        f"phases.{phase}.scheduler.patience": _NO_EARLY_END,
        f"phases.{phase}.early_stopping.patience": _NO_EARLY_END,
    }


def arguments(settings: Settings) -> list[str]:
    """Return settings as command line arguments."""
    return [
        text for key, value in settings.items() for text in ("--set", f"{key}={option_text(value)}")
    ]


@dataclass(frozen=True)
class Speed:
    """Training speed in a time window, without validation and checkpoints."""

    steps: int
    steps_per_second: float
    images_per_second: float
    data_wait: float
    """Fraction of data loading time, 0 to 1."""

    @property
    def step_seconds(self) -> float:
        """Mean time of a step."""
        return 1 / self.steps_per_second


def speed(records: Iterable[Record], begin: float = 0.0, end: float = float("inf")) -> Speed:
    """Return the speed between two moments (Unix seconds), from each two Progress events in a
    row of the same training pass. Raises ValueError when there are none."""
    steps, seconds, images, waited = 0, 0.0, 0.0, 0.0
    before: tuple[float, Progress] | None = None
    for record in records:
        event = record.event
        if not isinstance(event, Progress) or event.stage != "train":
            continue
        if before is not None and begin <= before[0] and record.time <= end:
            since, last = before
            if (last.phase, last.epoch) == (event.phase, event.epoch):
                steps += event.global_step - last.global_step
                seconds += record.time - since
                images += event.images_per_second * (record.time - since)
                waited += event.data_wait * (record.time - since)
        before = record.time, event
    if not steps:
        raise ValueError("no two reports of progress in the window; make it longer")
    return Speed(steps, steps / seconds, images / seconds, waited / seconds)


def of_kind(records: Iterable[Record], kind: type[_Kind]) -> list[tuple[float, _Kind]]:
    """Return the events of one type with their times."""
    return [(r.time, r.event) for r in records if isinstance(r.event, kind)]


class Run:
    """A running process of the program with its own runs directory."""

    def __init__(
        self,
        settings: Settings,
        work: Path,
        size: Size | None = None,
        preset: str = "default",
        options: Iterable[str] = (),
        **changes: str,
    ) -> None:
        """Start headless, or the app on a terminal of `size`, with an empty cache; `changes` are
        environment variables."""
        work.mkdir(parents=True)
        self._runs = work / "runs"
        where = ["--config", preset, "--runs-dir", str(self._runs), *options]
        env = environment(work / "cache", **changes)
        self.screen: OnScreen | None = None
        if size is not None:
            program = command(*where, *arguments(settings))
            self.screen = OnScreen(program, size, env, work)
            self.process, self.began = self.screen.process, self.screen.began
            return
        program = command("--no-ui", "--log-format", "json", *where, *arguments(settings))
        self._said = (work / "output").open("wb")
        self.began = time.time()
        self.process = subprocess.Popen(
            program,
            env=env,
            cwd=work,
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def folder(self) -> RunFolder | None:
        """The run folder; None before it exists."""
        return next(run_folders(self._runs), None)

    def records(self) -> list[Record]:
        """Return all records of the run so far."""
        folder = self.folder
        return replay(folder.journal)[0] if folder else []

    def wait_for(self, wanted: Callable[[Record], bool], timeout: float = 300.0) -> Record:
        """Return the first record of this kind; raises RuntimeError if the run ends before."""
        end, reader = time.monotonic() + timeout, None
        while time.monotonic() < end:
            over = self.process.poll() is not None
            if reader is None and (folder := self.folder):
                reader = JournalReader(folder.journal)
            for record in reader.read() if reader else ():
                if wanted(record):
                    return record
            if over:
                break
            time.sleep(0.1)
        raise RuntimeError(f"the run ended too soon: {self._last_words()}")

    def let_train(self, seconds: float) -> None:
        """Wait; the run must still be training afterwards."""
        time.sleep(seconds)
        if self.process.poll() is not None:
            raise RuntimeError(f"the run ended too soon: {self._last_words()}")

    def finish(self) -> float:
        """Wait for the end of the run; returns the seconds of the whole process."""
        code = self.process.wait()
        seconds = time.time() - self.began
        if code:
            raise RuntimeError(f"the program ended with {code}: {self._last_words()}")
        self.stop()
        return seconds

    def stop(self) -> None:
        """Ask the run to save and stop, and wait for it."""
        if self.screen is not None:
            self.screen.end()
        else:
            end_process(self.process, 60.0)
            self._said.close()

    def _last_words(self) -> str:
        if self.screen is not None:
            return self.screen.text()[-500:]
        return Path(self._said.name).read_text(errors="replace")[-1000:]


def trains(record: Record) -> bool:
    """Return whether a record is progress of a training pass."""
    return isinstance(record.event, Progress) and record.event.stage == "train"


def epoch_ended(record: Record) -> bool:
    """Return whether a record is the end of an epoch."""
    return isinstance(record.event, EpochEnded)


def write_journal(folder: Path, records: Iterable[Record]) -> None:
    """Write a generated run, for lists of runs."""
    folder.mkdir(parents=True)
    run = RunFolder(folder)
    run.journal.write_text("".join(record.to_json() + "\n" for record in records))


def plain_values(speeds: Iterable[Speed]) -> list[dict[str, Any]]:
    """Return speeds for a JSON file."""
    return [vars(one) for one in speeds]
