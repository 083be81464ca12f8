"""A run's state in words: what the run screen says, as styled text and without a terminal.

Colours are theme variables; each also has a symbol or a word beside it, so that nothing is lost
where colours are.
"""

import math

from rich.text import Text
from textual.content import Content

from core.common import format as fmt
from core.common.text import printable
from core.run.eta import overdue
from core.run.state import RunState
from core.run.state_parts import PhaseState
from tui.preferences.palettes import DARK, Palette, rgb
from tui.text.symbols import SYMBOLS, sparkline

STYLES = {
    "preparing": "$text-primary",
    "running": "$text-primary",
    "paused": "$text-warning",
    "finished": "$text-success",
    "stopped": "$text-warning",
    "failed": "$text-error",
    "interrupted": "$text-warning",
    "unreadable": "$text-error",
}
_DIM = "$foreground 60%"
_GAP = "  "
_AT_WORK = ("preparing", "running", "paused")


def status_text(status: str) -> Content:
    """Return a run's status as symbol and word."""
    return Content.styled(f"{SYMBOLS.get(status, '?')} {status}", STYLES.get(status, ""))


def elapsed(state: RunState, status: str, now: float) -> float | None:
    """Seconds since the start; a run that broke off counts until its last sign of life."""
    if status == "interrupted" and state.last_time is not None:
        return state.elapsed(state.last_time)
    return state.elapsed(now)


def headline(state: RunState, status: str, now: float, keys: bool = True) -> Content:
    """Return the first line: which run, how it is, how long; trouble takes the whole line.

    `keys` says whether to name the key that gets a run out of its trouble.
    """
    name = printable(state.name or state.run_id or "run")
    took = fmt.duration(elapsed(state, status, now))
    symbol = SYMBOLS.get(status, "?")
    trouble, key = _trouble(state, status, now)
    if trouble:
        told = f"{symbol} {trouble}; {key}" if keys else f"{symbol} {trouble}"
        return Content.assemble((told, "bold"), f"{_GAP}{name}{_GAP}{took}")
    best = "" if state.best is None else f"{_GAP}best val {fmt.percent(state.best.result.val_top1)}"
    return Content.assemble(
        (f"{symbol} ", STYLES.get(status, "")),
        (name, "bold"),
        _GAP,
        (status, STYLES.get(status, "")),
        f"{_GAP}{took}",
        (best, "$text-success"),
    )


def _trouble(state: RunState, status: str, now: float) -> tuple[str, str]:
    """Return what is wrong, and the key that helps."""
    if status == "paused" and state.paused_since is not None:
        since = fmt.clock_time(state.paused_since)
        return f"PAUSED since {since}, {fmt.duration(now - state.paused_since)}", "space goes on"
    if status in ("failed", "stopped"):
        return f"{status.upper()}: {printable(state.reason)}", "r resumes it"
    if status == "interrupted":
        last = "" if state.last_time is None else fmt.clock_time(state.last_time)
        return f"INTERRUPTED: its process is gone, last sign of life {last}", "r resumes it"
    return "", ""


def pending_commands(asked: list[str]) -> str:
    """Return what was asked and not yet answered; the engine answers between two steps."""
    return f"{_GAP}asked for {', '.join(asked)}…" if asked else ""


def details(state: RunState) -> Content:
    """Return the second line: device, data, model; what isn't known yet is left out.

    The model comes last: its long name is what a narrow terminal may cut.
    """
    parts = []
    if state.model:
        parts.append(f"{printable(state.model.device)}, {printable(state.model.precision)}")
    if state.data:
        data = state.data
        parts.append(f"{len(data.classes)} classes")
        parts.append(f"{fmt.count(data.train)} train, {fmt.count(data.val)} val pictures")
    if state.model:
        model = state.model
        parts.append(f"{printable(model.name)}, {fmt.parameters(model.parameters)} parameters")
    return Content.styled(" · ".join(parts), _DIM)


def record_warnings(error: str, skipped: int, read_only: str, live: bool) -> str:
    """Return what a person must know about the record itself; empty when all is well."""
    said = []
    if error:
        said.append(f"the journal can't be read: {printable(error)}; it is tried again")
    if skipped:
        lines = "1 line" if skipped == 1 else f"{fmt.count(skipped)} lines"
        said.append(f"{lines} of the journal could not be read and {_was(skipped)} left out")
    if live and read_only:
        said.append(f"watching only: {read_only}")
    return "; ".join(said)


def stall_warning(state: RunState, silence: float) -> str:
    """Return that a run has gone quiet for longer than its steps explain, or nothing."""
    if not overdue(state, silence):
        return ""
    pace = _milliseconds(state.step_seconds)
    return (
        f"no news for {fmt.duration(silence)}, steps usually take {pace}: it may hang, or this "
        "machine no longer sees its files"
    )


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def phase_steps(state: RunState, status: str) -> Content:
    """Return the phases as steps: done and why, running, to come, left out."""
    broken = status not in _AT_WORK
    parts: list[Content | str | tuple[str, str]] = []
    for phase in state.phases.values():
        if parts:
            parts.append((" ──► ", _DIM))
        parts.append(phase_step(phase, broken))
    return Content.assemble(*parts)


def phase_step(phase: PhaseState, broken: bool) -> Content:
    """Return one phase as a step; `broken` where nothing is at work on the run any more."""
    name = printable(phase.name)
    done = len(phase.epochs)
    if phase.status == "done":
        best = "" if phase.best is None else f", best {fmt.percent(phase.best.result.val_top1)}"
        text = f" {_epochs(done)}{best} ({phase.reason})"
        return Content.assemble(("✓ ", "$text-success"), (name, "bold"), text)
    if phase.status == "skipped":
        return Content.styled(f"– {name} left out", _DIM)
    if phase.status == "running" and broken:
        where = f" broke off in epoch {done + 1}"
        return Content.assemble(("✗ ", "$text-error"), (name, "bold"), where)
    if phase.status == "running":
        where = f" epoch {min(done + 1, phase.max_epochs)} of {phase.max_epochs}"
        return Content.assemble(("● ", "$text-primary"), (name, "bold"), where)
    return Content.styled(f"○ {name} up to {_epochs(phase.max_epochs)}", _DIM)


def _epochs(number: int) -> str:
    return "1 epoch" if number == 1 else f"{fmt.count(number)} epochs"


def early_stopping_lines(state: RunState, status: str, short: bool = False) -> list[str]:
    """Return what early stopping will do, in words; `short` where they must fit into one line."""
    phase = state.current
    if phase is None or phase.stopping is None:
        return ["begins with the first phase"]
    stopping = phase.stopping
    if phase.status == "done":
        return [f"phase {printable(phase.name)} is over: {phase.reason}"]
    if not phase.epochs:
        return [f"patience {_epochs(stopping.patience)}", "the first epoch sets the mark"]
    dots = patience_dots(stopping.bad_epochs, stopping.patience)
    rule = [_stop_rule(phase)] if status in _AT_WORK else []
    if short:
        return [f"{dots} {stopping.bad_epochs} of {stopping.patience}".strip(), *rule]
    count = f"{stopping.bad_epochs} of {_epochs(stopping.patience)} without improvement"
    return [*([dots] if dots else []), count, *rule]


def _stop_rule(phase: PhaseState) -> str:
    stopping = phase.stopping
    assert stopping is not None
    last = stopping.last_epoch(len(phase.epochs))
    if last >= phase.max_epochs:
        return f"can't stop early now: epoch {phase.max_epochs} is the last anyway"
    if not math.isfinite(stopping.threshold):
        return f"stops after epoch {last} unless val loss is a number"
    return f"stops after epoch {last} unless val loss < {fmt.loss(stopping.threshold)}"


def patience_dots(bad: int, patience: int) -> str:
    """Return the used and the left patience as dots; empty when they are too many to count."""
    if patience > 20:
        return ""
    used = min(bad, patience)
    return "●" * used + "○" * (patience - used)


def throughput_lines(state: RunState) -> list[str]:
    """Return how fast it goes: pictures a second, waiting for data, time a step."""
    progress = state.progress
    if progress is None:
        last = state.epochs[-1].result if state.epochs else None
        if last is None:
            return ["not measured yet"]
        return [*_measured(last.images_per_second, last.data_wait), "in the last epoch"]
    lines = _measured(progress.images_per_second, progress.data_wait)
    if math.isfinite(progress.step_seconds):
        lines.append(f"step {_milliseconds(progress.step_seconds)}")
    return lines or ["not measured yet"]


def _measured(images_per_second: float, data_wait: float) -> list[str]:
    lines = []
    if math.isfinite(images_per_second):
        lines.append(fmt.speed(images_per_second))
    if math.isfinite(data_wait):
        lines.append(f"data wait {fmt.percent(data_wait, 0)}")
    return lines


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.1f} ms" if seconds < 1 else f"{seconds:,.2f} s"


def learning_rate_lines(state: RunState, status: str) -> list[str]:
    """Return the learning rate now, how it came there, and when it will fall."""
    phase = state.current
    if phase is None or phase.started is None:
        return ["set by the first phase"]
    rates = [*(point.result.lr for point in phase.epochs), phase.lr]
    curve = f"  {sparkline(rates, 12)}" if len(set(rates)) > 1 else ""
    lines = [f"{fmt.rate(phase.lr)}{curve}"]
    if phase.status == "running" and status in _AT_WORK:
        lines.append(_rate_rule(phase, state.x - phase.start_x))
    return lines


def _rate_rule(phase: PhaseState, done: float) -> str:
    assert phase.started is not None
    warmup = phase.started.warmup_epochs
    if done < warmup and not phase.lr_by_hand:
        return f"warms up over {warmup:g} epoch{'' if warmup == 1 else 's'}"
    if phase.started.scheduler == "cosine":
        return f"a cosine down to 0 by the end of epoch {phase.max_epochs}"
    left = max(1, phase.started.scheduler_patience + 1 - phase.scheduler_bad_epochs)
    return f"× {phase.started.scheduler_factor:g} after {left} more without improvement"


def log_line(time: float, level: str, text: str, palette: Palette = DARK) -> Text:
    """Return one line of the log: time, a sign for its level, the sentence."""
    sign, colour = {
        "good": ("✓ ", rgb(palette.best)),
        "warning": ("! ", rgb(palette.val)),
        "error": ("✗ ", rgb(palette.bad)),
    }.get(level, ("  ", ""))
    strong = colour if level in ("warning", "error") else ""
    return Text.assemble(
        (f"{fmt.clock_time(time)} ", "dim"), (sign, colour), (printable(text), strong)
    )
