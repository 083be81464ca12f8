"""The tab with what was found when the run's network was evaluated, and a key to evaluate it."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

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
from core.run.saved_evaluations import KeptEvaluation, kept_evaluations
from core.run.state import RunState
from tui.tabs.base import RunTab
from tui.text.saved_evaluation import saved_evaluation_text

if TYPE_CHECKING:
    from tui.app import ConvNextApp

_EMPTY = """\
No evaluation yet.

E   evaluates the best weights: on the pictures that the run has kept for a test,
    on what it validated on, or on a folder of yours

From the shell:  convnext-tui evaluate {run} [DIR]"""
_HINT = "A folder with one sub folder a class. Empty = the run's own test or validation pictures."
_EXPLAINED = "E evaluate · ← → the others"


class EvaluationsTab(RunTab):
    """The newest evaluation, or another one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("E", "evaluate", "evaluate", show=False,
                tooltip="Evaluate the best weights, on a folder or the run's own pictures"),
        Binding("left,h", "other(-1)", "newer", show=False, tooltip="A newer evaluation"),
        Binding("right,l", "other(1)", "older", show=False, tooltip="An older evaluation"),
        Binding("up,k", "scroll(-1)", "up", show=False, tooltip="A line up"),
        Binding("down,j", "scroll(1)", "down", show=False, tooltip="A line down"),
        Binding("pageup", "scroll(-15)", "page up", show=False, tooltip="A page up"),
        Binding("pagedown", "scroll(15)", "page down", show=False, tooltip="A page down"),
    ]  # fmt: skip

    def __init__(self, folder: Path | None) -> None:
        """`folder` is the run's own; None where only its id is known."""
        super().__init__(id="evaluation-tab")
        self._folder = folder
        self._run_id = ""
        self._kept: list[KeptEvaluation] | None = None
        self._place = 0
        self._working = ""
        self._text = Static("", id="evaluation", markup=False)
        self._box = VerticalScroll(self._text, id="evaluation-box", can_focus=False)
        self._box.border_title = "evaluation"
        self._box.border_subtitle = Content(_EXPLAINED)

    def compose(self) -> ComposeResult:
        """One text that scrolls."""
        yield self._box

    def show(self, state: RunState, status: str, slow: bool) -> None:
        """Read what is kept when it is first seen."""
        self._run_id = state.run_id
        if self._kept is None:
            self._kept = []
            self._read()

    @property
    def _host(self) -> "ConvNextApp":
        return cast("ConvNextApp", self.app)

    @property
    def _run(self) -> RunFolder:
        return RunFolder(self._folder or self._host.runs_dir / self._run_id)

    @work(exclusive=True, group="kept")
    async def _read(self) -> None:
        self._kept = await asyncio.to_thread(kept_evaluations, self._run)
        self._place = 0
        self._draw()

    def _draw(self) -> None:
        kept = self._kept or []
        if self._working:
            shown = Content(self._working)
        elif kept:
            now = self._host.clock()
            shown = saved_evaluation_text(kept[self._place], self._place + 1, len(kept), now)
        else:
            shown = Content(_EMPTY.format(run=printable(self._run.id)))
        self._text.update(shown)

    def action_other(self, by: int) -> None:
        """Show a newer or older evaluation."""
        if self._kept:
            self._place = min(len(self._kept) - 1, max(0, self._place + by))
            self._draw()

    def action_scroll(self, lines: int) -> None:
        """Move by lines."""
        self._box.scroll_relative(y=lines, animate=False)

    def action_evaluate(self) -> None:
        """Ask for a folder, then evaluate."""
        from tui.dialogs.text import TextDialog

        if self._working or self._host.refuse_change():
            return

        def done(folder: str | None) -> None:
            if folder is not None:
                self._evaluate(folder.strip())

        self.app.push_screen(TextDialog("evaluate on which pictures?", "", _HINT), done)

    @work(exclusive=True, group="evaluate")
    async def _evaluate(self, folder: str) -> None:
        # On the CPU: a GPU may be in use by a run, this one included.
        arguments = ["evaluate", str(self._run.path), "--json", "--device", "cpu"]
        arguments += [expand_user(folder)] if folder else []
        self._working = "evaluating on the CPU; this takes a while, and ends when the run is left …"
        self._draw()
        try:
            code, _, error = await run_module("tui", *arguments)
        except OSError as problem:
            code, error = 1, str(problem).encode()
        self._working = ""
        if code:
            said = printable(error.decode("utf-8", "replace").strip().rpartition("\n")[2])
            self.notify(said or "the evaluation has failed", severity="error", markup=False)
        self._read()
