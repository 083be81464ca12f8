"""Position of a replay, as a line of text."""

from textual.content import Content

from core.common import format as fmt
from core.common.text import printable
from core.run.state import RunState
from tui.text.progress import bar


def position_line(state: RunState, seconds: float, total: float, width: int) -> Content:
    """Return the playing time of `total`, a bar, and the epoch, in `width` cells."""
    head = f"position {fmt.duration(seconds)} of {fmt.duration(total)} "
    tail = f" {_epoch(state)}"
    cells = max(8, width - len(head) - Content(tail).cell_length)
    return Content.assemble(head, bar(seconds / total if total else 1.0, cells), tail)


def _epoch(state: RunState) -> str:
    phase = state.current
    if phase is None:
        return "preparing"
    done = len(phase.epochs)
    ended = state.progress is None and done > 0
    epoch = f"{printable(phase.name)} epoch {done if ended else done + 1}"
    return f"{epoch} done" if ended else epoch
