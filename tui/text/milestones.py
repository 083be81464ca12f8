"""What the app tells the terminal itself: its title, a bell, a message. Sequences as in xterm's
control sequences (OSC 2, window operations 22 and 23) and iTerm2's OSC 9."""

from core.common import format as fmt
from core.common.text import printable
from core.run.state import RunState
from tui.text.progress import epoch_fraction
from tui.text.symbols import SYMBOLS

KEEP_TITLE = "\x1b[22;2t"
"""Let the terminal remember its title."""
GIVE_TITLE_BACK = "\x1b[23;2t"
_LONGEST = 100


def title(text: str) -> str:
    """Return what sets the terminal's title; nothing in `text` can end the sequence."""
    return f"\x1b]2;{printable(text)[:_LONGEST]}\x07"


def message(text: str) -> str:
    """Return what shows a message on the person's desktop, where the terminal knows how."""
    return f"\x1b]9;{printable(text)[:_LONGEST]}\x07"


def run_title(state: RunState, status: str) -> str:
    """Return a run and how far it is, shortest first: a tab of a terminal has few cells."""
    name = printable(state.name or state.run_id or "convnext-tui")
    sign, phase = SYMBOLS.get(status, "?"), state.current
    if status in ("running", "paused") and phase is not None:
        epoch = min(len(phase.epochs) + 1, max(1, phase.max_epochs))
        share = f" {100 * epoch_fraction(state):.0f}%" if state.progress else ""
        return f"{sign} {printable(phase.name)} {epoch}/{phase.max_epochs}{share} {name}"
    if state.best is not None:
        return f"{sign} {fmt.percent(state.best.result.val_top1)} {name}"
    return f"{sign} {name}"


class Milestones:
    """Tells what of a run is worth calling someone for: each phase's end and the run's, once."""

    def __init__(self, state: RunState) -> None:
        """What is over by now is no news."""
        self._over = self._ends(state)

    def news(self, state: RunState) -> list[str]:
        """Return what has ended since the last time, in words."""
        now = self._ends(state)
        new = [text for name, text in now.items() if name not in self._over]
        self._over = now
        return new[-1:]  # a run's end says what its last phase's end says

    @staticmethod
    def _ends(state: RunState) -> dict[str, str]:
        name = printable(state.name)
        ends = {
            phase.name: f"{name}: phase {printable(phase.name)} is over ({phase.reason})"
            for phase in state.phases.values()
            if phase.status == "done"
        }
        if state.over:
            best = state.best
            figure = f", best val {fmt.percent(best.result.val_top1)}" if best else ""
            ends["run"] = f"{name} {printable(state.status)}{figure}"
        return ends
