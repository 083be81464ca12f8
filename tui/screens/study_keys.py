"""Keys of the study screen that act on the study: control its runs, and export it."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.binding import Binding, BindingType

from core.common.errors import os_error_text
from core.common.text import printable
from tui.dialogs.choice import Choice, ChoiceDialog
from tui.screens.study_controls import StudyControls
from tui.widgets.host import host

if TYPE_CHECKING:
    from core.study.study_summary import StudySummary
    from tui.screens.study_views import StudyViews
    from tui.viewmodel.study import StudyContent

_CONTROLS = {"pause", "continue", "stop"}


class StudyKeys(StudyControls):
    """Base class for the study screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "Pause", tooltip="Pause the runs in progress"),
        Binding("space", "continue", "Resume", tooltip="Resume the paused runs"),
        Binding("x", "stop", "Stop",
                tooltip="Save a checkpoint, stop the runs in progress and start no other one"),
        Binding("r", "resume", "Resume",
                tooltip="Resume the runs that are not finished, in the background"),
        Binding("e", "export", "Export", show=False,
                tooltip="Table and curves as CSV, the chart as SVG"),
    ]  # fmt: skip
    path: Path
    content: "StudyContent | None"
    views: "StudyViews"

    @property
    def summary(self) -> "StudySummary | None":
        """The study as last read."""
        raise NotImplementedError

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action applies now: commands only while the study is in progress."""
        if action not in _CONTROLS and action != "resume":
            return True
        summary = self.summary
        if summary is None or summary.study is None:
            return False
        if action == "resume":
            return self.can_resume_study(summary)
        running = any(m.status in ("preparing", "running") for m in summary.members)
        paused = any(m.status == "paused" for m in summary.members)
        in_progress = summary.is_working or running or paused
        if action == "continue":
            return paused and not running
        return in_progress and (action == "stop" or running or not paused)

    def hides_key(self, action: str) -> bool:
        """Return whether the footer leaves out a key: it would only show why it has no effect."""
        return action in {*_CONTROLS, "resume"} and bool(host(self).read_only_reason)

    def action_pause(self) -> None:
        """Pause the runs in progress."""
        self._send("pause")

    def action_continue(self) -> None:
        """Resume the paused runs."""
        self._send("resume")

    def _send(self, action: str) -> None:
        if self.summary:
            self.send_to_study(self.summary, action)

    def action_stop(self) -> None:
        """Ask, then stop the study."""
        if host(self).refuse_change():
            return
        yes = Choice("enter", "Enter", "Save a checkpoint and stop", "yes")
        question = (
            "Each run in progress saves a checkpoint at its next step and stops, and no other run "
            "of the study is started. It can be resumed."
        )
        dialog = ChoiceDialog("Stop this study?", question, [yes], "Continue training")
        self.app.push_screen(dialog, lambda answer: self._send("stop") if answer else None)

    def action_resume(self) -> None:
        """Resume the study in the background."""
        if self.summary:
            self.resume_study(self.summary)

    def action_export(self) -> None:
        """Ask for the kind of export."""
        content = self.content
        if content is None or not content.runs or host(self).refuse_change():
            return
        choices = [
            Choice("t", "t", "Table as CSV: values and results, one row per run", "table"),
            Choice("c", "c", "Curves as CSV: all figures, one row per epoch", "curves"),
            Choice("s", "s", "Curves as SVG: mean and range, on white", "chart"),
        ]
        question = f"The file is written to {printable(str(self.path.parent))}."

        def done(kind: str | None) -> None:
            if kind:
                self._export(content, kind)

        self.app.push_screen(ChoiceDialog("Export", question, choices, "Cancel"), done)

    @work
    async def _export(self, content: "StudyContent", kind: str) -> None:
        from tui.charts.study_files import export_study

        folders = [self.path.parent, Path.cwd()]
        try:
            path = await asyncio.to_thread(
                export_study,
                content.summary,
                content.runs,
                self.views.curves,
                kind,
                folders,
                host(self).clock(),
            )
        except OSError as error:
            where, reason = printable(str(folders[0])), printable(os_error_text(error))
            self.notify(f"Can't write to {where}: {reason}", severity="error", markup=False)
        else:
            self.notify(f"Wrote {printable(str(path))}", markup=False)
