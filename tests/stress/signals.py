"""Send signals to a running training, with and without the app, on its own terminal.

    python -m tests.stress.signals [--rounds 1] [--seed 1]

Each round: SIGTERM, SIGINT twice at once, which counts as one, SIGTERM during a save, and SIGINT
again after a second, during a save that is blocked; each to the process only, like `kill`, and to
its process group, like a terminal and Slurm; each headless and with the app. The run is in phase
full and has two loader workers for training and one for validation. Afterwards the exit code must
be the documented one, the terminal must be restored (settings, alternate screen, cursor and other
modes), no process of the session may be left, and `last.pt` must be intact.

Prints one line per case and a verdict; exits with 1 on any failure.
"""

import argparse
import itertools
import os
import random
import re
import select
import signal
import sys
import tempfile
import termios
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil

from core.events import types as ev
from core.events.journal import replay
from core.events.types import Event
from core.run.folder import RunFolder
from core.run.lock import is_locked
from core.training.checkpoints.file import DamagedCheckpoint, read_checkpoint
from tests.make_images import make_images
from tests.stress.common import options, settings, surroundings, temporaries, verdict
from tests.stress.gate import Gate
from tests.stress.watch import Run, Terminal, start_on_terminal, still_alive
from tests.tui.command import command

ONCE, TWICE = "SIGTERM", "SIGINT twice"
SAVING_ONCE, SAVING_TWICE = "SIGTERM during a save", "SIGINT twice during a save"
KINDS = (ONCE, TWICE, SAVING_ONCE, SAVING_TWICE)
CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}
_HELPERS = 5
"""Other processes of a run: a resource tracker, the fork server, and three workers."""
_REPEAT_SECONDS = 1.1
"""An earlier second signal is a repeat of the first."""
_MODE, _ON_AT_FIRST = re.compile(rb"\x1b\[\?([\d;]+)([hl])"), {b"7", b"25"}
_KITTY_PUSHED, _KITTY_POPPED = re.compile(rb"\x1b\[>\d*u"), re.compile(rb"\x1b\[<\d*u")


def main() -> int:
    """Run all cases; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    choose = random.Random(arguments.seed)
    wrong: list[str] = []
    good: Counter[str] = Counter()
    slowest = 0.0
    with tempfile.TemporaryDirectory() as name:
        photos = make_images(Path(name) / "photos", classes=3, per_class=20)
        cases = itertools.product(range(arguments.rounds), ("headless", "app"), KINDS)
        cases_both = itertools.product(cases, ("process", "group"))
        for number, ((_, screen, kind), target) in enumerate(cases_both, 1):
            title = f"{screen}, {kind} to the {target}"
            runs_dir = Path(name) / f"runs-{number}"
            problems, seconds = run_case(photos, runs_dir, screen, kind, target, choose)
            slowest = max(slowest, seconds)
            good[f"{screen} {kind}"] += not problems
            wrong += [f"{title}: {problem}" for problem in problems]
            state = "; ".join(problems) or "good"
            print(f"case {number:2}: {title}: {state} (all gone after {seconds:.1f} s)", flush=True)
    counts = ", ".join(f"{count} {title}" for title, count in good.items())
    return verdict("signals", wrong, f"good: {counts}; all processes gone after {slowest:.1f} s")


def run_case(
    photos: Path, runs_dir: Path, screen: str, kind: str, target: str, choose: random.Random
) -> tuple[list[str], float]:
    """Start a run, send it signals, look at what is left; returns what is wrong, and the seconds
    until its last process was gone."""
    values = settings(photos, 1, 100_000, data__workers=2)
    arguments = [*options(values), *(["--no-ui"] if screen == "headless" else [])]
    with ExitStack() as stack:
        gate = None
        changes: dict[str, str] = {}
        if kind in (SAVING_ONCE, SAVING_TWICE):
            gate = stack.enter_context(Gate.in_saving(runs_dir.parent, choose, first=3))
            changes = gate.environment
        program = command("--runs-dir", str(runs_dir), *arguments)
        run = stack.enter_context(
            start_on_terminal(program, runs_dir, surroundings(runs_dir.parent, **changes))
        )
        helpers = let_train(run, gate, choose)
        number = send(run, kind, os.killpg if target == "group" else os.kill, gate, choose)
        code, began = run.wait().exit_code, time.monotonic()
        problems = [] if code == CODES[number] else [f"exit code {code}, not {CODES[number]}"]
        if kind != SAVING_TWICE:
            problems += not_stopped(run.folder)
        assert run.terminal is not None
        problems += terminal_problems(run.terminal) + checkpoint_problems(run.folder)
        problems += still_alive([*helpers, *session(run.process.pid)])
        return problems, time.monotonic() - began


def let_train(run: Run, gate: Gate | None, choose: random.Random) -> list[psutil.Process]:
    """Let a run train until the moment of the signal; returns its other processes."""
    for _ in range(choose.randint(2, 4)):
        run.wait_for(lambda event: isinstance(event, ev.EpochEnded) and event.phase == "full")
    helpers = run.helpers()
    if len(helpers) < _HELPERS:
        raise RuntimeError(f"{len(helpers)} helper processes, expected {_HELPERS}")
    if gate is None:
        time.sleep(choose.uniform(0.0, 0.3))  # any moment between two events
    else:
        run.wait_at(gate)
    return helpers


def send(
    run: Run,
    kind: str,
    kill: Callable[[int, int], None],
    gate: Gate | None,
    choose: random.Random,
) -> signal.Signals:
    """Send the signals of the case; returns the signal."""
    number = signal.SIGTERM if kind in (ONCE, SAVING_ONCE) else signal.SIGINT
    kill(run.process.pid, number)
    if gate is not None:
        run.wait_for(is_stop)
    if kind == TWICE:
        time.sleep(choose.uniform(0.0, 0.1))
    elif kind == SAVING_TWICE:
        time.sleep(_REPEAT_SECONDS)
    if number == signal.SIGINT:
        kill(run.process.pid, number)
    elif gate is not None:
        gate.release()
    return number


def is_stop(event: Event) -> bool:
    """Return whether an event is the engine's reply to the stop command."""
    return isinstance(event, ev.CommandApplied) and event.command == "Stop"


def not_stopped(folder: RunFolder) -> list[str]:
    """Return problems with a run that should have stopped normally."""
    last = replay(folder.journal)[0][-1].event
    good = isinstance(last, ev.RunEnded) and last.outcome == "stopped"
    problems = [] if good else [f"the journal ends with {type(last).__name__}"]
    return [*problems, *(f"{name} was left behind" for name in temporaries(folder))]


def checkpoint_problems(folder: RunFolder) -> list[str]:
    """Return problems with a run's newest checkpoint, or its lock."""
    problems = ["the run is still locked"] if is_locked(folder) else []
    try:
        content = read_checkpoint(folder.checkpoints / "last.pt")
    except (OSError, DamagedCheckpoint) as error:
        return [*problems, str(error)]
    return problems if "train_state" in content else [*problems, "last.pt has no train_state"]


def terminal_problems(terminal: Terminal) -> list[str]:
    """Return the differences of a terminal from its state before."""
    while select.select([terminal.parent], [], [], 0)[0]:
        terminal.read_output()
    problems = []
    if termios.tcgetattr(terminal.child) != terminal.before:
        problems.append("the terminal's settings have changed")
    modes = {mode: mode in _ON_AT_FIRST for mode in _ON_AT_FIRST}
    for found in _MODE.finditer(terminal.output):
        modes.update(dict.fromkeys(found[1].split(b";"), found[2] == b"h"))
    changed = [mode.decode() for mode, on in modes.items() if on is not (mode in _ON_AT_FIRST)]
    if changed:
        problems.append(f"the terminal's modes have changed: {', '.join(sorted(changed))}")
    pushed = len(_KITTY_PUSHED.findall(terminal.output))
    if pushed > len(_KITTY_POPPED.findall(terminal.output)):
        problems.append("the keyboard's mode has changed")
    return problems


def session(leader: int) -> list[psutil.Process]:
    """Return the remaining processes of a session."""
    found = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError):
            if os.getsid(process.pid) == leader:
                found.append(process)
    return found


if __name__ == "__main__":
    sys.exit(main())
