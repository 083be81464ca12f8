"""Describe a run's state as styled text for the run screen.

Colors are theme variables. Each comes with a symbol or a word, so that no information depends on
color.
"""

import math

from rich.text import Text
from textual.content import Content

from core.common import format as fmt
from core.common.text import printable
from core.run.eta import overdue
from core.run.state import ACTIVE, RunState
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
_WARNING = "$text-warning"
_ROWS_FOR_FINDINGS = 34


def status_text(status: str) -> Content:
    """Return a run's status as symbol and word."""
    return Content.styled(f"{SYMBOLS.get(status, '?')} {status}", STYLES.get(status, ""))


def elapsed(state: RunState, status: str, now: float) -> float | None:
    """Return the seconds since the start; for an interrupted run until its last update."""
    if status == "interrupted" and state.last_time is not None:
        return state.elapsed(state.last_time)
    return state.elapsed(now)


def headline(state: RunState, status: str, now: float, keys: bool = True) -> Content:
    """Return the first line: name, status and duration; or the problem of a paused or ended run.

    `keys` is whether to name the key that resumes the run.
    """
    name = printable(state.name or state.run_id or "run")
    took = f"{fmt.duration(elapsed(state, status, now))} elapsed"
    symbol = SYMBOLS.get(status, "?")
    problem, key = _problem(state, status, now)
    if problem:
        text = f"{symbol} {problem}; {key}" if keys else f"{symbol} {problem}"
        return Content.assemble((text, "bold"), f"{_GAP}{name}{_GAP}{took}")
    best = "" if state.best is None else f"{_GAP}best val {fmt.percent(state.best.result.val_top1)}"
    return Content.assemble(
        (f"{symbol} ", STYLES.get(status, "")),
        (name, "bold"),
        _GAP,
        (status, STYLES.get(status, "")),
        f"{_GAP}{took}",
        (best, "$text-success"),
    )


def _problem(state: RunState, status: str, now: float) -> tuple[str, str]:
    """Return why the run doesn't train, and the key that resumes it; empty if it does."""
    if status == "paused" and state.paused_since is not None:
        since = fmt.moment(state.paused_since, now)
        return (
            f"PAUSED since {since}, for {fmt.duration(now - state.paused_since)}",
            "space to resume",
        )
    if status in ("failed", "stopped"):
        return f"{status.upper()}: {printable(state.reason)}", "r to resume"
    if status == "interrupted":
        last = "" if state.last_time is None else fmt.moment(state.last_time, now)
        return f"INTERRUPTED: process exited unexpectedly, last update {last}", "r to resume"
    return "", ""


def pending_commands(commands: list[str]) -> str:
    """Return the commands without a reply yet; the engine replies between two steps."""
    return f"{_GAP}waiting for: {', '.join(commands)}…" if commands else ""


def details(state: RunState) -> Content:
    """Return the second line: device, data and model, where known.

    The model is last, as a narrow terminal may cut its long name.
    """
    parts = []
    if state.model:
        parts.append(f"{printable(state.model.device)}, {printable(state.model.precision)}")
    if state.data:
        data = state.data
        parts.append(fmt.counted(len(data.classes), "class", "classes"))
        parts.append(f"{fmt.count(data.train)} train, {fmt.counted(data.val, 'val image')}")
    if state.model:
        model = state.model
        parts.append(f"{printable(model.name)}, {fmt.parameters(model.parameters)} parameters")
    return Content.styled(" · ".join(parts), _DIM)


def record_warnings(error: str, skipped: int, read_only: str, live: bool) -> str:
    """Return problems of the run's record on disk; empty where there are none."""
    warnings = []
    if error:
        warnings.append(f"can't read the journal: {printable(error)}; retrying")
    if skipped:
        warnings.append(f"skipped {fmt.counted(skipped, 'unreadable line')} of the journal")
    if live and read_only:
        warnings.append(f"read-only: {read_only.removeprefix('read-only: ')}")
    return "; ".join(warnings)


def notice_lines(problem: str, findings: list[str], height: int, width: int) -> Content:
    """Return a problem and findings: all of them on a tall terminal, else one in a single row.

    The log tab shows all findings.
    """
    problems = [Content.styled(problem, _WARNING)] if problem else []
    lines = [*problems, *map(Content, findings)]
    if height >= _ROWS_FOR_FINDINGS or not findings:
        return Content("\n").join(lines)
    first = lines[0]
    more = " (5: findings)" if len(lines) > 1 or first.cell_length > width else ""
    return first.truncate(width - len(more), ellipsis=True) + Content.styled(more, _DIM)


def stall_warning(state: RunState, silence: float) -> str:
    """Return a warning when a run has not reported for longer than its steps explain."""
    if not overdue(state, silence):
        return ""
    step = _milliseconds(state.step_seconds)
    return (
        f"no update for {_rounded(silence)}, steps usually take {step}: the process may hang, or "
        "this machine can't see its files"
    )


def _rounded(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"


def phase_steps(state: RunState, status: str, width: int) -> Content:
    """Return all phases with their status: done, running, waiting or skipped.

    Leaves out why phases ended where `width` cells are too few for it.
    """
    ended = status not in ACTIVE
    arrow = Content.styled(" → ", _DIM)
    phases = state.phases.values()
    line = arrow.join(phase_step(phase, ended) for phase in phases)
    if line.cell_length > width:
        line = arrow.join(phase_step(phase, ended, with_reason=False) for phase in phases)
    return line


def phase_step(phase: PhaseState, ended: bool, with_reason: bool = True) -> Content:
    """Return one phase with its status; `ended` is whether the run has ended."""
    name = printable(phase.name)
    done = len(phase.epochs)
    if phase.status == "done":
        best = "" if phase.best is None else f", best {fmt.percent(phase.best.result.val_top1)}"
        text = f" {_epochs(done)}{best}" + (f" ({phase.reason})" if with_reason else "")
        return Content.assemble(("✓ ", "$text-success"), (name, "bold"), text)
    if phase.status == "skipped":
        return Content.styled(f"– {name} skipped", _DIM)
    if phase.status == "running" and ended:
        where = f" interrupted in epoch {done + 1}"
        return Content.assemble(("✗ ", "$text-error"), (name, "bold"), where)
    if phase.status == "running":
        where = f" epoch {min(done + 1, phase.max_epochs)} of {phase.max_epochs}"
        return Content.assemble(("● ", "$text-primary"), (name, "bold"), where)
    return Content.styled(f"○ {name} up to {_epochs(phase.max_epochs)}", _DIM)


def _epochs(number: int) -> str:
    return fmt.counted(number, "epoch")


def early_stopping_lines(state: RunState, status: str, short: bool = False) -> list[str]:
    """Return the state of early stopping and when it ends the phase; `short` as one line."""
    phase = state.current
    if phase is None or phase.stopping is None:
        return ["starts with the first phase"]
    stopping = phase.stopping
    if phase.status == "done":
        ended = f"phase {printable(phase.name)} ended: {phase.reason}"
        return [ended, *_best_of_early_stopping(phase)]
    if not phase.epochs:
        return [f"patience {_epochs(stopping.patience)}", "the first epoch sets the baseline"]
    dots = patience_dots(stopping.bad_epochs, stopping.patience)
    rule = [_stop_rule(phase, short)] if status in ACTIVE else []
    if short:
        return [f"{dots} {stopping.bad_epochs} of {stopping.patience}".strip(), *rule]
    count = f"{stopping.bad_epochs} of {_epochs(stopping.patience)} without improvement"
    return [*([dots] if dots else []), count, *rule, *_best_of_early_stopping(phase)]


def _best_of_early_stopping(phase: PhaseState) -> list[str]:
    """Return the epoch that early stopping compares with, if there is one."""
    stopping = phase.stopping
    assert stopping is not None
    epoch = len(phase.epochs) - stopping.bad_epochs
    if epoch < 1 or not math.isfinite(stopping.best):
        return []
    metric = stopping.metric
    extreme = "lowest" if metric.is_loss else "highest"
    return [f"{extreme} {metric.label} {metric.text(stopping.best)}, epoch {epoch}"]


def _stop_rule(phase: PhaseState, short: bool) -> str:
    stopping = phase.stopping
    assert stopping is not None
    last = stopping.last_epoch(len(phase.epochs))
    if last >= phase.max_epochs:
        return f"can't stop early: epoch {phase.max_epochs} is the last"
    if not math.isfinite(stopping.threshold):
        return f"stops after epoch {last} unless {stopping.metric.label} becomes finite"
    metric, limit = stopping.metric, stopping.threshold
    improvement = metric.comparison(limit) if short else metric.improved_by(limit)
    return f"stops after epoch {last} unless {improvement}"


def patience_dots(bad: int, patience: int) -> str:
    """Return the used and the remaining patience as dots; empty above 20."""
    if patience > 20:
        return ""
    used = min(bad, patience)
    return "●" * used + "○" * (patience - used)


def throughput_lines(state: RunState) -> list[str]:
    """Return the throughput: images per second, data loading time, time per step."""
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


def last_epoch_lines(state: RunState) -> list[str]:
    """Return the duration of the last epoch of the phase, and the throughput of its epochs."""
    phase = state.current
    if phase is None or not phase.epochs:
        return []
    lines = []
    if state.progress:
        lines.append(f"last epoch {fmt.duration(phase.epochs[-1].result.seconds)}")
    speeds = [point.result.images_per_second for point in phase.epochs]
    if len(speeds) > 2 and all(map(math.isfinite, speeds)):
        lines.append(f"{sparkline(speeds, 8)} by epoch")
    return lines


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
    """Return the learning rate, its history as a sparkline, and its next change."""
    phase = state.current
    if phase is None or phase.started is None:
        return ["set by the first phase"]
    rates = [*(point.result.lr for point in phase.epochs), phase.lr]
    curve = f"  {sparkline(rates, 12)}" if len(set(rates)) > 1 else ""
    lines = [f"{fmt.rate(phase.lr)}{curve}"]
    if phase.status == "running" and status in ACTIVE:
        lines.append(_rate_rule(phase, state.x - phase.start_x))
    if phase.started.lr != phase.lr:
        lines.append(f"phase {printable(phase.name)} started at {fmt.rate(phase.started.lr)}")
    decay = phase.started.weight_decay
    return [*lines, f"{printable(phase.started.optimizer)}, weight decay {decay:.3g}"]


def _rate_rule(phase: PhaseState, done: float) -> str:
    assert phase.started is not None
    warmup = phase.started.warmup_epochs
    if done < warmup and not phase.lr_is_manual:
        return f"warms up over {warmup:g} {'epoch' if warmup == 1 else 'epochs'}"
    if phase.started.scheduler == "cosine":
        return f"cosine decay to 0 by the end of epoch {phase.max_epochs}"
    left = max(1, phase.started.scheduler_patience + 1 - phase.scheduler_bad_epochs)
    factor = phase.started.scheduler_factor
    change = "halves" if factor == 0.5 else f"drops to {100 * factor:.3g}%"
    return f"{change} after {fmt.counted(left, 'more epoch')} without improvement"


LOG_INDENT = 11
"""Cells of time and symbol, before the text of a log line."""


def log_line(time: float, level: str, text: str, palette: Palette = DARK) -> Text:
    """Return one line of the log: time, symbol of its level, text."""
    symbol, color = {
        "good": ("✓ ", rgb(palette.best)),
        "warning": ("! ", rgb(palette.val)),
        "error": ("✗ ", rgb(palette.bad)),
    }.get(level, ("  ", ""))
    style = color if level in ("warning", "error") else ""
    return Text.assemble(
        (f"{fmt.clock_time(time)} ", "dim"), (symbol, color), (printable(text), style)
    )
