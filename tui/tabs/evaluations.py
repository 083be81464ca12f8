"""Tab with the saved evaluations of the run, and a key to evaluate its best weights."""

import asyncio
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from core.common.location import expand_user
from core.common.subprocesses import run_module
from core.common.text import printable
from core.run.folder import RunFolder
from core.run.saved_evaluations import SavedEvaluation, list_evaluations
from core.run.state import RunState
from tui.tabs.base import RunTab
from tui.text.own_command import own_command
from tui.text.saved_evaluation import saved_evaluation_text, validation_text
from tui.widgets.host import host
from tui.widgets.scroll_bindings import SCROLL_BINDINGS

_EMPTY = """\
No evaluation yet.  E  evaluates the best weights on the run's test or validation
images, or on another folder. From the shell:
{command} [DIR]

"""
_HINT = "A folder with one subfolder per class. Empty = the run's test or validation images."
_KEYS = "E evaluate"


class EvaluationsTab(RunTab):
    """Show one evaluation, first the newest."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("E", "evaluate", "Evaluate", show=False,
                tooltip="Evaluate the best weights on a folder, or on images of the run"),
        Binding("left,h", "select(-1)", "Newer", show=False, tooltip="Show a newer evaluation"),
        Binding("right,l", "select(1)", "Older", show=False, tooltip="Show an older evaluation"),
        *SCROLL_BINDINGS,
    ]  # fmt: skip

    def __init__(self, folder: Path | None) -> None:
        """`folder` is the run folder; None if only the id of the run is known."""
        super().__init__(id="evaluation-tab")
        self._folder = folder
        self._state = RunState()
        self._validated: object = None
        self._saved: list[SavedEvaluation] | None = None
        self._index = 0
        self._progress = ""
        self._text = Static("", id="evaluation", markup=False)
        self._box = VerticalScroll(self._text, id="evaluation-box", can_focus=False)
        self._box.border_title = "Evaluation"
        self._box.border_subtitle = Content(_KEYS)

    def compose(self) -> ComposeResult:
        """Create one scrollable text."""
        yield self._box

    def show(self, state: RunState, status: str, slow: bool) -> None:
        """Read the saved evaluations when the tab is first opened; without any, show the last
        validation pass."""
        self._state = state
        if self._saved is None:
            self._saved = []
            self._read()
        elif not self._saved and state.evaluations.latest is not self._validated:
            self._draw()

    @property
    def _run(self) -> RunFolder:
        return RunFolder(self._folder or host(self).runs_dir / self._state.run_id)

    @work(exclusive=True, group="read")
    async def _read(self) -> None:
        self._saved = await asyncio.to_thread(list_evaluations, self._run)
        self._index = 0
        self._draw()

    def _draw(self) -> None:
        saved = self._saved or []
        self._validated = self._state.evaluations.latest
        if self._progress:
            text = Content(self._progress)
        elif saved:
            now = host(self).clock()
            text = saved_evaluation_text(saved[self._index], self._index + 1, len(saved), now)
        else:
            text = Content(_EMPTY.format(command=own_command("evaluate", self._run)))
            text += validation_text(self._state)
        self._text.update(text)
        several = "  ← newer  → older" if len(saved) > 1 else ""
        self._box.border_subtitle = Content(f"{_KEYS}{several}")

    def action_select(self, by: int) -> None:
        """Show a newer or older evaluation."""
        if self._saved:
            self._index = min(len(self._saved) - 1, max(0, self._index + by))
            self._draw()

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self._box.scroll_relative(y=lines, animate=False)

    def action_evaluate(self) -> None:
        """Ask for an image folder, then evaluate the best weights on it."""
        from tui.dialogs.text import TextDialog

        if self._progress or host(self).refuse_change():
            return

        def evaluate(folder: str | None) -> None:
            if folder is not None:
                self._evaluate(folder.strip())

        dialog = TextDialog("Evaluate on which images?", "", _HINT, confirm="Evaluate")
        self.app.push_screen(dialog, evaluate)

    @work(exclusive=True, group="evaluate")
    async def _evaluate(self, folder: str) -> None:
        # On the CPU: the GPU may be in use by a run, this one included.
        arguments = ["evaluate", str(self._run.path), "--json", "--device", "cpu"]
        arguments += [expand_user(folder)] if folder else []
        self._progress = "Evaluating on the CPU; leaving this run cancels the evaluation …"
        self._draw()
        try:
            code, _, error = await run_module("tui", *arguments)
        except OSError as problem:
            code, error = 1, str(problem).encode()
        self._progress = ""
        if code:
            message = printable(error.decode("utf-8", "replace").strip().rpartition("\n")[2])
            self.notify(message or "evaluation failed", severity="error", markup=False)
        self._read()
