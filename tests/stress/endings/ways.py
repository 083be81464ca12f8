"""The ways in which a run ends, what is right after each, and the cases of a stress test."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from types import MappingProxyType
from typing import Any

HEADLESS, APP, RANKS = "headless", "app", "ranks"
FINISHED, STOPPED, FAILED, UNRECORDED = "finished", "stopped", "failed", ""
"""Outcomes in the journal; UNRECORDED where the process ended without an end of the run."""

STOP_SIGNALS = MappingProxyType({"SIGINT": 130, "SIGTERM": 143})
"""Signals that stop a run, with the exit codes of the documentation."""
BY_SIGNAL = MappingProxyType({"SIGINT": -2, "SIGTERM": -15, "SIGHUP": -1})
"""Exit codes of a process that a signal has ended; a shell shows 128 + number."""
PASSING_SIGNALS = ("SIGHUP", "SIGTSTP")
"""Signals after which a run continues: SIGHUP, and SIGTSTP followed by SIGCONT."""
SIGNALS = (*STOP_SIGNALS, *PASSING_SIGNALS)

ANNOUNCED = r"(Ctrl-C|SIGTERM): stopping after this step; once more to exit without saving"
_LOST_STOP = r"stopped \((Ctrl-C|SIGTERM)\), but .+; resuming continues from .+"


@dataclass(frozen=True, slots=True)
class Expected:
    """What is right after a run."""

    codes: frozenset[int] = frozenset({0})
    outcomes: frozenset[str] = frozenset({FINISHED})
    sentence: str = ""
    """Regular expression of the one error on standard error; empty: there must be none."""
    may_be_silent: bool = False
    """Whether the error may be missing, as the run may have ended otherwise first."""
    traceback: bool = False
    """Whether log.txt must have one."""

    def or_else(self, codes: Collection[int] = (), outcomes: Collection[str] = ()) -> "Expected":
        """Return what is right if the run may also end with these, before its error."""
        return replace(
            self,
            codes=self.codes | set(codes),
            outcomes=self.outcomes | set(outcomes),
            may_be_silent=True,
        )


@dataclass(frozen=True, slots=True)
class Way:
    """One way to end a run."""

    name: str
    expected: Expected = Expected()
    shown: tuple[str, ...] = (HEADLESS, APP)
    places: tuple[str, ...] = ()
    """Places of `hooks/failures.py` to fail at, one of which is chosen."""
    exceptions: tuple[str, ...] = ("RuntimeError",)
    often: str = "always"
    event: str = "full"
    """When it fails or gets its signal: a moment of its life, or in phase full, or any."""
    settings: dict[str, Any] = field(default_factory=dict)
    constants: dict[str, dict[str, Any]] = field(default_factory=dict)
    ends_alone: bool = True
    """Whether the run ends by itself after a first signal to stop, not only after a second one."""
    may_kill: bool = False
    """Whether processes of the run are killed, which can't remove their temporary files."""


def _failed(sentence: str, traceback: bool = True) -> Expected:
    return Expected(frozenset({1}), frozenset({FAILED}), sentence, traceback=traceback)


_REASON = "the stress test has failed this"
_UNSCANNED = r".+: (No such file or directory|no such folder); .+"
_UNSTORED = {"data.decode_once": "false"}
_SHORT_RETRIES = {
    "core.training.command_handler": {"FIRST_RETRY_SECONDS": 0.2, "MAX_RETRY_SECONDS": 0.4}
}
_SHORT_WAIT = {"core.data.loading.loader": {"MAX_WAIT_SECONDS": 3.0}}
_SHORT_STORAGE = {"core.data.loading.dataset": {"WAITS": [0.2, 0.4, 0.8]}}
_SHORT_FOLDER = {"core.training.checkpoints.disk_health": {"MAX_FOLDER_SECONDS": 2.0}}
_FEW_RESTARTS = {"tui.runtime.launch": {"MOST_RESTARTS": 1}}
_ALL = (HEADLESS, APP, RANKS)
_DIED = r"a data loader worker died \(.+\), perhaps out of memory; resume the run, .+"

LIFE = ("start", "scan", "torch", "first-epoch", "validation", "saving", "phase-change", "end")
"""Moments of a run's life."""

WAYS = (
    *(Way(f"signal-{moment}", shown=_ALL, event=moment) for moment in LIFE),
    Way(
        "worker-error",
        _failed(rf".*({_REASON}|Input/output error|StopIteration|exited unexpectedly).*|{_DIED}"),
        shown=_ALL,
        places=("worker",),
        exceptions=(
            *("RuntimeError", "ValueError", "KeyError", "MemoryError", "UnicodeDecodeError"),
            *("StopIteration", "KeyboardInterrupt", "SystemExit", "EIO"),
        ),
    ),
    Way("worker-exit", _failed(_DIED), shown=_ALL, places=("worker",), exceptions=("exit",)),
    Way("worker-killed", _failed(_DIED), shown=_ALL, may_kill=True),
    Way(
        "worker-hangs",
        _failed("no images arrived for 3 s: the storage of the images may be stuck; .+"),
        places=("worker",),
        exceptions=("hang",),
        constants=_SHORT_WAIT,
        ends_alone=False,
        may_kill=True,
    ),
    Way("fork-server-killed", _failed(_DIED), may_kill=True),
    Way(
        "disk-full",
        shown=_ALL,
        places=("writer",),
        exceptions=("ENOSPC",),
        constants=_SHORT_RETRIES,
    ),
    Way(
        "writer-error",
        _failed(rf"the checkpoint can't be written: .*{_REASON}.*; 5 retries failed"),
        shown=_ALL,
        places=("writer",),
        exceptions=("RuntimeError", "MemoryError", "KeyError"),
        constants=_SHORT_RETRIES,
    ),
    Way(
        "engine-error",
        _failed(rf".*{_REASON}.*"),
        places=("step", "validation", "epoch-end"),
        exceptions=("RuntimeError", "MemoryError", "KeyError", "SystemExit", "KeyboardInterrupt"),
    ),
    Way(
        "start-error",
        _failed(rf".*{_REASON}.*"),
        places=("build", "loaders", "begin-phase"),
        exceptions=("RuntimeError", "MemoryError", "KeyError"),
        shown=_ALL,
        constants=_FEW_RESTARTS,
        event="start",
    ),
    Way(
        "app-error",
        Expected(sentence=r"the app failed, see .+", traceback=True),
        shown=(APP,),
        places=("tick", "screen", "screen-tick", "action", "dialog"),
        exceptions=("RuntimeError", "KeyError", "MemoryError", "SystemExit"),
        event="any",
    ),
    Way("rank-error", shown=(RANKS,), places=("step@0", "step@1", "validation@1"), often="once"),
    Way(
        "ranks-fail",
        _failed(rf".*({_REASON}|the other ranks are unreachable: ).*"),
        shown=(RANKS,),
        places=("step", "step@0", "step@1", "validation@1"),
        constants=_FEW_RESTARTS,
    ),
    Way("rank-killed", shown=(RANKS,), may_kill=True),
    Way(
        "agent-killed",
        Expected(frozenset({1}), frozenset({STOPPED}), "torchrun was ended by SIGKILL; .+"),
        shown=(RANKS,),
        may_kill=True,
    ),
    Way("data-away", shown=_ALL, settings=_UNSTORED, ends_alone=False),
    Way("data-away-cached"),
    Way(
        "data-gone",
        _failed(r".+ can't be read: No such file or directory; resume the run once .+", False),
        shown=_ALL,
        settings=_UNSTORED,
        constants=_SHORT_STORAGE,
    ),
    Way(
        "data-gone-in-scan",
        Expected(frozenset({2}), frozenset(), _UNSCANNED),
        shown=_ALL,
        places=("scan",),
        exceptions=("wait",),
        event="scan",
    ),
    Way("folder-away", constants=_SHORT_RETRIES),
    Way(
        "folder-gone",
        _failed("the folder of the run is gone: .+; it did not come back in .+", False),
        shown=_ALL,
        constants={**_SHORT_RETRIES, **_SHORT_FOLDER},
    ),
)
"""All ways. Each is right if it ends as `expected`; `expected_after` adds signals."""


@dataclass(frozen=True, slots=True)
class Case:
    """One run of the stress test."""

    number: int
    way: Way
    shown: str
    signal: str
    """Empty for none."""
    seed: int

    @property
    def title(self) -> str:
        """How a line and the tables call it."""
        return f"{self.way.name}, {self.shown}" + (f", {self.signal}" if self.signal else "")

    @property
    def expected(self) -> Expected:
        """What is right after it."""
        return expected_after(self.way, self.shown, self.signal)


def plan(runs: int, seed: int, only: Sequence[str] = ()) -> list[Case]:
    """Return the cases: all ways equally often, by turns; a third of the failures get no signal."""
    choose = random.Random(seed)
    kinds = [(way, shown) for way in WAYS for shown in way.shown if not only or way.name in only]
    choose.shuffle(kinds)
    signals = {kind[0].name: cycle(_signals(kind[0], choose)) for kind in kinds}
    return [
        Case(number, way, shown, next(signals[way.name]), choose.randrange(1 << 30))
        for number, (way, shown) in enumerate(islice(cycle(kinds), runs), 1)
    ]


def _signals(way: Way, choose: random.Random) -> list[str]:
    given = list(SIGNALS) if way.name.startswith("signal-") else [*SIGNALS, "", ""]
    choose.shuffle(given)
    return given


def expected_after(way: Way, shown: str, signal: str) -> Expected:
    """Return what is right after a way to end with a signal on top."""
    base = way.expected
    if not signal:
        return base
    if signal in PASSING_SIGNALS:
        # Before the program has set it to be ignored, it ends every process.
        early = way.event == "start" and signal == "SIGHUP" and shown != APP
        if early:
            return base.or_else({BY_SIGNAL[signal]}, {UNRECORDED})
        # Without a terminal, errors are only in the log.
        return base.or_else() if (signal, shown) == ("SIGHUP", APP) else base
    code = STOP_SIGNALS[signal]
    stopped = Expected(frozenset({code}), frozenset({STOPPED}), ANNOUNCED)
    if way.name == "signal-start":  # perhaps before the program has begun to handle it
        return stopped.or_else({BY_SIGNAL[signal]}, {UNRECORDED})
    if way.name == "signal-end":
        return replace(stopped, outcomes=base.outcomes).or_else({0, BY_SIGNAL[signal]})
    if way.name.startswith("signal-"):
        return replace(stopped, sentence="") if shown == APP else stopped
    # Whichever comes first decides.
    may_be_lost = way.name in _LOSE_A_STOP
    expected = base.or_else({code}, {STOPPED} | ({FAILED} if may_be_lost else set()))
    if may_be_lost:
        sentence = "|".join(filter(None, (base.sentence, _LOST_STOP)))
        expected = replace(expected.or_else({1}), sentence=sentence)
    is_cut = not way.ends_alone or shown == RANKS
    return expected.or_else(outcomes={UNRECORDED}) if is_cut else expected


_LOSE_A_STOP = ("disk-full", "writer-error", "folder-away", "folder-gone")
"""Ways in which a stop may fail, as its checkpoint can't be written."""
