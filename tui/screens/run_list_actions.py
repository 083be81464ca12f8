"""Keys of the run list that act on the selected run or the marked runs."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.screen import Screen

from core.common import format as fmt
from core.common.text import printable
from tui.text.run_list import LETTERS
from tui.widgets.host import host

# As in tui.app, dialogs and modules that read runs are imported on first use.
if TYPE_CHECKING:
    from core.run.summary import RunSummary


FINISHED = "this run is finished; b in the run list duplicates it, with more epochs for example"


_CHANGES = {"new", "resume", "star", "delete", "duplicate", "tags", "note", "rename", "archive",
            "restore"}  # fmt: skip
"""Actions that a read-only app refuses."""


class RunActionsScreen(Screen[None]):
    """Base class for the run list: a list of runs with one selected and some marked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # The footer drops keys from the end of this list.
        Binding("n", "new", "New run", tooltip="Train on an image folder or the built-in demo"),
        Binding("r", "resume", "Resume",
                tooltip="Resume the selected run from its last checkpoint"),
        Binding("space", "mark", "Mark", tooltip="Mark or unmark for comparison"),
        Binding("c", "compare", "Compare",
                tooltip="Compare the marked runs, or the selected one with the next"),
        Binding("v", "replay", "Replay", show=False, tooltip="Replay the training of the run"),
        Binding("asterisk", "star", "Star", show=False, key_display="*",
                tooltip="Star or unstar the run"),
        Binding("d,delete", "delete", "Delete", show=False, tooltip="Move the run to the trash"),
        Binding("w", "queue", "Queue", show=False,
                tooltip="Show the queue of runs: order, workers, failures"),
        Binding("b", "duplicate", "Duplicate run", show=False,
                tooltip="Create a new run with the configuration of the selected one"),
        Binding("t", "tags", "Edit tags", show=False, tooltip="Edit the tags of the run"),
        Binding("e", "note", "Edit note", show=False, tooltip="Edit the note of the run"),
        Binding("f2", "rename", "Rename", show=False, tooltip="Change the display name of the run"),
        Binding("a", "archive", "Archive", show=False,
                tooltip="Hide the run from the list, or show it again"),
        Binding("u", "restore", "Restore", show=False,
                tooltip="Restore the most recently deleted run"),
    ]  # fmt: skip

    def __init__(self, runs_dir: Path) -> None:
        super().__init__()
        self.runs_dir = runs_dir
        self.marked: list[str] = []
        """Ids of the runs to compare, in the order of their letters."""
        self._write_lock = asyncio.Lock()

    def selected_run(self) -> "RunSummary | None":
        """Return the selected run."""
        raise NotImplementedError

    def adjacent_run(self) -> "RunSummary | None":
        """Return the run below the selected one; above it if there is none below."""
        raise NotImplementedError

    def find_run(self, id: str) -> "RunSummary | None":
        """Return a run of the directory by id."""
        raise NotImplementedError

    def reload(self) -> None:
        """Read the runs directory."""
        raise NotImplementedError

    def show_runs(self) -> None:
        """Redraw the list."""
        raise NotImplementedError

    def hides_key(self, action: str) -> bool:
        """Return whether the footer leaves out a key: it would only show why it has no effect."""
        if action in _CHANGES and host(self).read_only_reason:
            return True
        return action == "resume" and not self._can_resume()

    def _can_resume(self) -> bool:
        run = self.selected_run()
        if run is None:
            return False
        from core.run.state import RESUMABLE

        return run.status in RESUMABLE

    def _warn(self, text: str) -> None:
        self.notify(text, severity="warning", markup=False)

    def action_new(self) -> None:
        """Open the form for a new run."""
        host(self).open_form()

    def action_resume(self) -> None:
        """Resume the selected run from its last checkpoint."""
        run = self.selected_run()
        if run and run.status == "finished" and not host(self).read_only_reason:
            error = FINISHED
        else:
            error = host(self).resume(Path(run.path)) if run else ""
        if error:
            self._warn(error)

    def action_mark(self) -> None:
        """Mark the selected run for comparison, or unmark it."""
        run = self.selected_run()
        if run is None:
            return
        if run.id in self.marked:
            self.marked.remove(run.id)
        elif len(self.marked) < len(LETTERS):
            self.marked.append(run.id)
        else:
            self._warn(f"at most {len(LETTERS)} runs can be compared")
        self.show_runs()

    def action_compare(self) -> None:
        """Compare the marked runs; with fewer than two, add the selected and the adjacent one."""
        marked = [run for id in self.marked if (run := self.find_run(id))]
        if len(marked) < 2:
            selected, adjacent = self.selected_run(), self.adjacent_run()
            others = [selected, adjacent] if not marked or selected in marked else [selected]
            marked += [run for run in others if run is not None and run not in marked]
        if len(marked) < 2:
            self._warn("a comparison needs at least two runs")
            return
        host(self).open_comparison([Path(run.path) for run in marked[: len(LETTERS)]])

    def action_duplicate(self) -> None:
        """Open the form for a new run with the configuration of the selected one."""
        run = self.selected_run()
        error = host(self).open_form_like(Path(run.path), run.name) if run else ""
        if error:
            self._warn(error)

    def action_replay(self) -> None:
        """Replay the selected run."""
        run = self.selected_run()
        if run:
            host(self).open_replay(Path(run.path))

    def action_queue(self) -> None:
        """Open the queue."""
        host(self).open_queue()

    def action_star(self) -> None:
        """Star or unstar the selected run."""
        run = self.selected_run()
        if run:
            self._change(run, {"starred": not run.starred})

    def action_archive(self) -> None:
        """Hide the selected run from the list, or show it again."""
        run = self.selected_run()
        if run:
            name = printable(run.name)
            message = (
                f"Unarchived {name}"
                if run.archived
                else f"Archived {name}; the filter is:archived shows archived runs"
            )
            self._change(run, {"archived": not run.archived}, message)

    def action_rename(self) -> None:
        """Change the display name of the selected run."""
        hint = "The display name; the run folder keeps its name. Empty = the recorded name."
        self._edit("Rename", lambda run: run.name, hint, lambda text: {"name": text})

    def action_note(self) -> None:
        """Edit the note of the selected run."""
        hint = "Free text, saved in the run folder (notes.yaml)."
        self._edit("Note on", lambda run: run.note, hint, lambda text: {"note": text})

    def action_tags(self) -> None:
        """Edit the tags of the selected run."""
        from core.run.notes import split_tags

        hint = "Words separated by spaces, for example: baseline small. Filter with tag:small."
        self._edit(
            "Tags of",
            lambda run: " ".join(run.tags),
            hint,
            lambda text: {"tags": split_tags(text)},
        )

    def _edit(
        self,
        title: str,
        current: "Callable[[RunSummary], str]",
        hint: str,
        parse: Callable[[str], dict[str, object]],
    ) -> None:
        from core.run.notes import Notes, NotesError, validated
        from tui.dialogs.text import TextDialog

        run = self.selected_run()
        if run is None or host(self).refuse_change():
            return

        def validate(text: str) -> str:
            try:
                validated(Notes(**parse(text)))  # type: ignore[arg-type]
            except NotesError as error:
                return str(error)
            return ""

        def save(text: str | None) -> None:
            if text is not None:
                self._change(run, parse(text))

        title = f"{title} {printable(run.name)}"
        self.app.push_screen(TextDialog(title, current(run), hint, validate), save)

    def _change(self, run: "RunSummary", changes: dict[str, object], message: str = "") -> None:
        from core.run.actions import change_notes
        from core.run.folder import RunFolder

        if not host(self).refuse_change():
            self._write(partial(change_notes, RunFolder(Path(run.path)), **changes), message)

    @work
    async def _write(self, write: Callable[[], object], message: str) -> None:
        """Write to disk in a thread, one change at a time, then reload the list."""
        from core.run.actions import ActionError

        async with self._write_lock:
            try:
                await asyncio.to_thread(write)
            except ActionError as error:
                self._warn(str(error))
            else:
                if message:
                    self.notify(message, markup=False)
        self.reload()

    def action_delete(self) -> None:
        """Ask, then move the selected run to the trash."""
        run = self.selected_run()
        if run and not host(self).refuse_change():
            self._confirm_delete(run)

    @work(exclusive=True, group="delete")
    async def _confirm_delete(self, run: "RunSummary") -> None:
        from core.run.actions import delete, size_of, trash_dir
        from core.run.folder import RunFolder
        from tui.dialogs.choice import Choice, ChoiceDialog

        size = await asyncio.to_thread(size_of, Path(run.path))
        if self.app.screen is not self:
            return

        def act(answer: str | None) -> None:
            if answer:
                message = f"Moved {printable(run.name)} to the trash; u restores it"
                self._write(partial(delete, RunFolder(Path(run.path))), message)

        trash = printable(str(trash_dir(self.runs_dir)))
        question = (
            f"{printable(run.name)} ({printable(run.id)}), {fmt.size(size)} with its checkpoints, "
            f"is moved to {trash}. u restores the most recently deleted run, "
            "`convnext-tui trash RUN` any deleted run. `convnext-tui trash --empty` frees the "
            "disk space."
        )
        yes = Choice("enter", "Enter", "Move the run to the trash", "yes")
        self.app.push_screen(ChoiceDialog("Delete this run?", question, [yes], "Cancel"), act)

    def action_restore(self) -> None:
        """Restore the most recently deleted run."""
        if not host(self).refuse_change():
            self._restore()

    @work
    async def _restore(self) -> None:
        from core.run.actions import restore, trashed_runs

        trashed = await asyncio.to_thread(trashed_runs, self.runs_dir)
        if not trashed:
            self._warn("the trash is empty")
            return
        self._write(partial(restore, trashed[0]), f"Restored {printable(trashed[0].id)}")
