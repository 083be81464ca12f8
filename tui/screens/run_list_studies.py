"""Studies in the run list: their rows open and close, and keys act on all their runs."""

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.binding import Binding, BindingType

from core.common import format as fmt
from core.common.text import printable
from tui.screens.run_list_filter import RunFilterScreen
from tui.screens.study_controls import StudyControls
from tui.widgets.host import host
from tui.widgets.run_table import GroupedRunTable

# As in tui.app, modules that read runs are imported on first use.
if TYPE_CHECKING:
    from core.run.summary import RunSummary
    from core.study.study_summary import StudySummary


class RunStudiesScreen(StudyControls, RunFilterScreen):
    """Base class for the run list: the runs of a study are below its row, shown or hidden."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "toggle_study", "Expand", tooltip="Show or hide the runs of the study"),
        # With priority: the table scrolls with them.
        Binding("right", "expand", "Expand", show=False, priority=True,
                tooltip="Show the runs of the study"),
        Binding("left", "collapse", "Collapse", show=False, priority=True,
                tooltip="Hide the runs of the study"),
    ]  # fmt: skip

    def __init__(self, runs_dir: Path) -> None:
        super().__init__(runs_dir)
        self._expanded: set[str] = set()
        """Studies whose runs are shown, without a filter."""
        self._collapsed: set[str] = set()
        """Studies whose runs are hidden although some of them match the filter."""

    def is_open(self, study: str) -> bool:
        """Return whether the runs of a study are shown: those that match a filter are at first."""
        return study not in self._collapsed if self.is_filtering else study in self._expanded

    def filter_changed(self) -> None:
        """Show all runs that match another filter."""
        self._collapsed.clear()

    def _set_open(self, study: str, is_open: bool) -> None:
        changed, adds = (
            (self._collapsed, not is_open) if self.is_filtering else (self._expanded, is_open)
        )
        (changed.add if adds else changed.discard)(study)
        self.show_runs()

    def _group(self) -> str:
        """Return the id of the selected study, or that of the selected run; empty for neither."""
        row = self.selected_row()
        return "" if row is None else row.id if row.study else row.parent

    def action_toggle_study(self) -> None:
        """Show or hide the runs of the selected study."""
        if study := self._group():
            self._set_open(study, not self.is_open(study))

    def action_expand(self) -> None:
        """Show the runs of the selected study."""
        self._set_open(self._group(), True)

    def action_collapse(self) -> None:
        """Hide the runs of the selected study."""
        self._set_open(self._group(), False)

    @on(GroupedRunTable.Toggled)
    def _marker_clicked(self, event: GroupedRunTable.Toggled) -> None:
        self._set_open(event.study, not self.is_open(event.study))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action applies now: to open or close a study only on its rows."""
        if action in ("toggle_study", "expand", "collapse"):
            study = "" if self.typing else self._group()
            if not study:
                return False
            return action == "toggle_study" or self.is_open(study) == (action == "collapse")
        return super().check_action(action, parameters)

    def _selected_study(self) -> "StudySummary | None":
        row = self.selected_row()
        return row.study if row else None

    def _can_resume(self) -> bool:
        study = self._selected_study()
        if study is None:
            return super()._can_resume()
        return self.can_resume_study(study)

    def action_resume(self) -> None:
        """Resume the selected run, or all runs of the selected study in the background."""
        study = self._selected_study()
        if study is None:
            super().action_resume()
        else:
            self.resume_study(study)

    def action_duplicate(self) -> None:
        """Duplicate the selected run."""
        if self._is_run("duplicate"):
            super().action_duplicate()

    def action_replay(self) -> None:
        """Replay the selected run."""
        if self._is_run("replay"):
            super().action_replay()

    def _is_run(self, verb: str) -> bool:
        """Return whether a run is selected, after a notification if a study is."""
        if self._selected_study() is not None:
            self._warn(f"select a run of the study to {verb} it")
            return False
        return True

    def action_archive(self) -> None:
        """Hide the selected run or study from the list, or show it again."""
        study = self._selected_study()
        if study is None:
            super().action_archive()
        elif not host(self).refuse_change():
            name, archived = printable(study.row.name), study.row.archived
            message = (
                f"Unarchived {name} and its runs"
                if archived
                else f"Archived {name} and its runs; the filter is:archived shows archived runs"
            )
            self._write(partial(_archive, study, not archived), message)

    def _change(self, run: "RunSummary", changes: dict[str, object], message: str = "") -> None:
        if (study := self.find_study(run.id)) and not Path(study.row.path).is_dir():
            self._warn(f"{printable(study.row.name)} has no folder to save this in")
        else:
            super()._change(run, changes, message)

    def action_delete(self) -> None:
        """Ask, then move the selected run, or the study with all its runs, to the trash."""
        study = self._selected_study()
        if study is None:
            super().action_delete()
        elif not host(self).refuse_change():
            self._confirm_delete_study(study)

    @work(exclusive=True, group="delete")
    async def _confirm_delete_study(self, study: "StudySummary") -> None:
        from core.run.actions import delete_study, size_of, trash_dir
        from tui.dialogs.choice import Choice, ChoiceDialog

        paths = [Path(run.path) for run in study.runs]
        path = Path(study.row.path)
        size = await asyncio.to_thread(lambda: sum(map(size_of, [path, *paths])))
        if self.app.screen is not self:
            return
        name, runs = printable(study.row.name), fmt.counted(len(paths), "run")

        def act(answer: str | None) -> None:
            if answer:
                message = f"Moved {name} and its {runs} to the trash; u restores them"
                self._write(partial(delete_study, path, paths), message)

        trash = printable(str(trash_dir(self.runs_dir)))
        question = (
            f"The study {name} ({printable(study.id)}) and its {runs}, {fmt.size(size)} with their "
            f"checkpoints, are moved to {trash}. u restores them together, as does `convnext-tui "
            "trash STUDY`. `convnext-tui trash --empty` frees the disk space."
        )
        yes = Choice("enter", "Enter", f"Move the study and its {runs} to the trash", "yes")
        title = "Delete this study and its runs?"
        self.app.push_screen(ChoiceDialog(title, question, [yes], "Cancel"), act)


def _archive(study: "StudySummary", archived: bool) -> None:
    """Change the notes of a study and of its runs."""
    from core.run.actions import change_notes
    from core.run.folder import RunFolder

    for path in [study.row.path, *(run.path for run in study.runs)]:
        if Path(path).is_dir():
            change_notes(RunFolder(Path(path)), archived=archived)
