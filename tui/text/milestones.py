"""Describe the milestones of a run: the terminal's title, and phases and runs that have ended."""

from core.common import format as fmt
from core.common.text import printable
from core.run.state import RunState
from tui.text.progress import epoch_fraction
from tui.text.symbols import SYMBOLS


def run_title(state: RunState, status: str) -> str:
    """Return a terminal title for a run: progress first, as a terminal's tab shows few cells."""
    name = printable(state.name or state.run_id or "convnext-tui")
    symbol, phase = SYMBOLS.get(status, "?"), state.current
    if status in ("running", "paused") and phase is not None:
        epoch = min(len(phase.epochs) + 1, max(1, phase.max_epochs))
        percent = f" {100 * epoch_fraction(state):.0f}%" if state.progress else ""
        return f"{symbol} {printable(phase.name)} {epoch}/{phase.max_epochs}{percent} {name}"
    if state.best is not None:
        return f"{symbol} {fmt.percent(state.best.result.val_top1)} {name}"
    return f"{symbol} {name}"


class Milestones:
    """Report the end of each phase and of the run, each once, for notifications."""

    def __init__(self, state: RunState) -> None:
        """Phases that ended before this are not reported."""
        self._reported = self._ended(state)

    def new(self, state: RunState) -> list[str]:
        """Return what has ended since the last call, as sentences; one at most."""
        now = self._ended(state)
        new = [text for name, text in now.items() if name not in self._reported]
        self._reported = now
        return new[-1:]  # the end of a run implies the end of its last phase

    @staticmethod
    def _ended(state: RunState) -> dict[str, str]:
        name = printable(state.name)
        ended = {
            phase.name: f"{name}: phase {printable(phase.name)} ended ({phase.reason})"
            for phase in state.phases.values()
            if phase.status == "done"
        }
        if state.over:
            best = state.best
            accuracy = f", best val top-1 {fmt.percent(best.result.val_top1)}" if best else ""
            ended["run"] = f"{name} {printable(state.status)}{accuracy}"
        return ended
