"""Describe a run's progress: bars of epoch and phase with their remaining time, where known."""

from collections.abc import Sequence

from textual.content import Content

from core.common import format as fmt
from core.common.text import printable
from core.run.eta import epoch_eta, phase_eta
from core.run.state import RunState
from core.run.state_parts import PhaseState

_BAR = "$primary"
_REST = "$foreground 25%"
_DIM = "$foreground 60%"
_AT_MOST = " at most, early stopping may end it sooner"


def bar(fraction: float, width: int) -> Content:
    """Return a bar of `width` cells, filled to half a cell."""
    halves = round(max(0.0, min(1.0, fraction)) * 2 * width)
    full, half = divmod(halves, 2)
    done = "━" * full + "╸" * half
    return Content.assemble((done, _BAR), ("─" * (width - len(done)), _REST))


def epoch_fraction(state: RunState) -> float:
    """Return the completed fraction of the current epoch, train and val together."""
    progress, phase = state.progress, state.current
    if progress is None or phase is None:
        return 0.0
    started = phase.started
    train = started.steps if started else progress.steps
    val = started.val_steps if started else 0
    done = progress.step + (train if progress.stage == "val" else 0)
    return min(1.0, max(0.0, done / max(1, train + val)))


def phase_fraction(state: RunState, phase: PhaseState) -> float:
    """Return the completed fraction of the current phase, if it runs all its epochs."""
    done = len(phase.epochs) + epoch_fraction(state)
    return min(1.0, done / max(1, phase.max_epochs))


def progress_lines(state: RunState, status: str, width: int, rows: int) -> list[Content]:
    """Return one or two lines: preparation, progress bars of epoch and phase, or the result."""
    waiting = state.preparing is not None and state.progress is None
    if status == "preparing" or (status in ("running", "paused") and waiting):
        return _preparing(state, width)
    phase = state.current
    if status not in ("running", "paused") or phase is None:
        return _result(state, width)
    if phase.status == "done":
        return [Content.styled("preparing the next phase", _DIM)]
    return _running(state, phase, width, rows)


def _preparing(state: RunState, width: int) -> list[Content]:
    preparing = state.preparing
    if preparing is None:
        return [Content("starting")]
    text = printable(preparing.stage)
    if not preparing.total:
        return [Content(text)]
    text = f"{text} {fmt.count(preparing.done)} of {fmt.count(preparing.total)} "
    fraction = preparing.done / max(1, preparing.total)
    return [Content.assemble(text, bar(fraction, max(4, min(40, width - len(text)))))]


def _running(state: RunState, phase: PhaseState, width: int, rows: int) -> list[Content]:
    epoch, whole_phase = epoch_fraction(state), phase_fraction(state, phase)
    number = min(len(phase.epochs) + 1, max(1, phase.max_epochs))
    stage = state.progress.stage if state.progress else ""
    loss = f" · {stage} loss {fmt.loss(state.progress.loss)}" if state.progress else ""
    epoch_left, phase_left = epoch_eta(state), phase_eta(state)
    if rows == 1:
        at_most = f" · phase at most {fmt.duration(phase_left)}" if phase_left else ""
        text = f"epoch {number}/{phase.max_epochs} {stage:5} "
        tail = _left(epoch_left, at_most or loss)
        return [_line(text, epoch, tail, width - len(text) - len(tail) + 2)]
    labels = [f"epoch {number} {stage}", f"phase {printable(phase.name)}"]
    cells = max(len(label) for label in [*labels, "epoch 99 train"])
    tails = [
        _left(epoch_left, loss),
        "" if phase_left is None else _left(phase_left, _AT_MOST if _may_stop(phase) else ""),
    ]
    bar_width = width - cells - max(map(len, tails))
    return [
        _line(f"{label:{cells}}  ", fraction, tail, bar_width)
        for label, fraction, tail in zip(labels, (epoch, whole_phase), tails, strict=True)
    ]


def _may_stop(phase: PhaseState) -> bool:
    """Return whether early stopping can still end the phase before its last epoch."""
    stopping = phase.stopping
    return stopping is not None and stopping.last_epoch(len(phase.epochs)) < phase.max_epochs


def _left(seconds: float | None, more: str) -> str:
    return f"  {more.lstrip(' ·')}" if seconds is None else f"  {fmt.duration(seconds)} left{more}"


def _line(label: str, fraction: float, tail: str, bar_width: int) -> Content:
    """Return label, bar, percentage and tail; bar and percentage take `bar_width` cells."""
    percent = f" {100 * fraction:3.0f}%"
    return Content.assemble(
        label, bar(fraction, max(4, min(60, bar_width - len(percent) - 2))), percent, tail
    )


def _result(state: RunState, width: int) -> list[Content]:
    """Return the best result, followed by the details that fit into the width."""
    if state.best is None:
        return [Content.styled("ended before the first epoch was complete", _DIM)]
    best = state.best.result
    epochs = "+".join(str(len(p.epochs)) for p in state.phases.values() if p.epochs)
    line = Content.assemble(
        "best val top-1 ",
        (fmt.percent(best.val_top1), "bold $text-success"),
        f" in {printable(best.phase)} epoch {best.epoch}, val loss {fmt.loss(best.val_loss)}",
    )
    for detail in (f" · {epochs} {'epoch' if epochs == '1' else 'epochs'}", _checkpoint(state)):
        if line.cell_length + len(detail) <= width:
            line = Content.assemble(line, (detail, _DIM))
    return [line]


def _checkpoint(state: RunState) -> str:
    return " · weights in checkpoints/best.pt" if state.checkpoint else ""


def bars_text(lines: Sequence[Content]) -> Content:
    """Join lines into one text."""
    return Content("\n").join(lines)
