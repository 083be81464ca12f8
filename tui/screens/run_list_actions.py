"""Managing runs: from keys in the list to what is done with the chosen run, or the marked ones."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import work
from textual.binding import Binding, BindingType
from textual.screen import Screen

from core.common import format as fmt
from core.common.text import printable
from tui.text.run_list import LETTERS

# As in tui.app: dialogs and what knows of runs are imported where they are first wanted.
if TYPE_CHECKING:
    from core.run.folder import RunSummary
    from tui.app import ConvNextApp


FINISHED = "this run is finished; b in the list starts a new one like it, with more epochs, say"


class ManagingScreen(Screen[None]):
    """A screen with a list of runs, one of them chosen, some of them marked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "new run", tooltip="Train on a folder of pictures, or the demo"),
        Binding("r", "resume", "resume", tooltip="Go on with the chosen run where it stopped"),
        Binding("space", "mark", "mark", show=False, tooltip="Mark for comparing; again: unmark"),
        Binding("c", "compare", "compare", tooltip="Compare the marked runs, or the one below"),
        Binding("b", "base", "new from", show=False, tooltip="A new run configured like this one"),
        Binding("v", "replay", "replay", show=False, tooltip="Watch the run again, faster"),
        Binding("asterisk", "star", "star", show=False, key_display="*", tooltip="Star it, or not"),
        Binding("t", "tags", "tags", show=False, tooltip="Tags, to filter by"),
        Binding("e", "note", "note", show=False, tooltip="A note, kept in the run's folder"),
        Binding("f2", "rename", "rename", show=False, tooltip="Another name for the list"),
        Binding("a", "archive", "archive", show=False, tooltip="Take it out of the list, or back"),
        Binding(
            "d,delete", "delete", "delete", show=False, tooltip="Move the run to the trash folder"
        ),
        Binding("u", "restore", "undelete", show=False, tooltip="Bring back the last deleted run"),
    ]

    def __init__(self, runs_dir: Path) -> None:
        super().__init__()
        self.runs_dir = runs_dir
        self.marked: list[str] = []
        """Ids of the runs to be compared, in the order of their letters."""
        self._one_at_a_time = asyncio.Lock()

    @property
    def host(self) -> "ConvNextApp":
        """The app."""
        return cast("ConvNextApp", self.app)

    def chosen(self) -> "RunSummary | None":
        """Return the run that keys are about."""
        raise NotImplementedError

    def beside(self) -> "RunSummary | None":
        """Return the run below the chosen one, or above where there is none below."""
        raise NotImplementedError

    def known(self, id: str) -> "RunSummary | None":
        """Return a run of the directory by id."""
        raise NotImplementedError

    def look(self) -> None:
        """Read the runs again."""
        raise NotImplementedError

    def show_runs(self) -> None:
        """Draw the list again."""
        raise NotImplementedError

    def _warn(self, text: str) -> None:
        self.notify(text, severity="warning", markup=False)

    def action_new(self) -> None:
        """Open the form for a new run."""
        self.host.open_form()

    def action_resume(self) -> None:
        """Go on with the chosen run from its last checkpoint."""
        run = self.chosen()
        if run and run.status == "finished" and not self.host.read_only_reason:
            refused = FINISHED
        else:
            refused = self.host.resume(Path(run.path)) if run else ""
        if refused:
            self._warn(refused)

    def action_mark(self) -> None:
        """Mark the chosen run for comparing, or take the mark away."""
        run = self.chosen()
        if run is None:
            return
        if run.id in self.marked:
            self.marked.remove(run.id)
        elif len(self.marked) < len(LETTERS):
            self.marked.append(run.id)
        else:
            self._warn(f"at most {len(LETTERS)} runs can be compared at once")
        self.show_runs()

    def action_compare(self) -> None:
        """Compare the marked runs; with one mark or none, two that suggest themselves."""
        marked = [run for id in self.marked if (run := self.known(id))]
        if len(marked) < 2:
            chosen, beside = self.chosen(), self.beside()
            others = [chosen, beside] if not marked or chosen in marked else [chosen]
            marked += [run for run in others if run is not None and run not in marked]
        if len(marked) < 2:
            self._warn("comparing takes two runs")
            return
        self.host.open_comparison([Path(run.path) for run in marked[: len(LETTERS)]])

    def action_base(self) -> None:
        """Open the form for a new run with the chosen run's configuration."""
        run = self.chosen()
        refused = self.host.open_form_like(Path(run.path), run.name) if run else ""
        if refused:
            self._warn(refused)

    def action_replay(self) -> None:
        """Watch the chosen run again."""
        run = self.chosen()
        if run:
            self.host.open_replay(Path(run.path))

    def action_star(self) -> None:
        """Star the chosen run, or take the star away."""
        run = self.chosen()
        if run:
            self._change(run, {"starred": not run.starred})

    def action_archive(self) -> None:
        """Take the chosen run out of the list, or back into it."""
        run = self.chosen()
        if run:
            name = printable(run.name)
            done = (
                f"{name} is back in the list"
                if run.archived
                else f"{name} is archived; the filter is:archived shows such runs"
            )
            self._change(run, {"archived": not run.archived}, done)

    def action_rename(self) -> None:
        """Give the chosen run another name."""
        hint = "What the list calls the run; its folder keeps its name. Empty = as it was recorded."
        self._ask("name of", lambda run: run.name, hint, lambda text: {"name": text})

    def action_note(self) -> None:
        """Write something about the chosen run."""
        hint = "Anything worth remembering, kept in the run's folder (notes.yaml)."
        self._ask("note on", lambda run: run.note, hint, lambda text: {"note": text})

    def action_tags(self) -> None:
        """Tag the chosen run."""
        from core.run.notes import split_tags

        hint = "Words with spaces between, such as: baseline small. The filter tag:small finds it."
        self._ask(
            "tags of",
            lambda run: " ".join(run.tags),
            hint,
            lambda text: {"tags": split_tags(text)},
        )

    def _ask(
        self,
        title: str,
        now: "Callable[[RunSummary], str]",
        hint: str,
        read: Callable[[str], dict[str, object]],
    ) -> None:
        from core.run.notes import AnnotationError, Annotations, checked
        from tui.dialogs.text import TextDialog

        run = self.chosen()
        if run is None or self.host.refuse_change():
            return

        def check(text: str) -> str:
            try:
                checked(Annotations(**read(text)))  # type: ignore[arg-type]
            except AnnotationError as error:
                return str(error)
            return ""

        def done(text: str | None) -> None:
            if text is not None:
                self._change(run, read(text))

        title = f"{title} {printable(run.name)}"
        self.app.push_screen(TextDialog(title, now(run), hint, check), done)

    def _change(self, run: "RunSummary", changes: dict[str, object], done: str = "") -> None:
        from core.run.actions import change
        from core.run.folder import RunFolder

        if not self.host.refuse_change():
            self._act(partial(change, RunFolder(Path(run.path)), **changes), done)

    @work
    async def _act(self, act: Callable[[], object], done: str) -> None:
        """Do something on the disk in a thread, one thing after the other, then look again."""
        from core.run.actions import ActionError

        async with self._one_at_a_time:
            try:
                await asyncio.to_thread(act)
            except ActionError as error:
                self._warn(str(error))
            else:
                if done:
                    self.notify(done, markup=False)
        self.look()

    def action_delete(self) -> None:
        """Ask, then move the chosen run into the trash."""
        run = self.chosen()
        if run and not self.host.refuse_change():
            self._ask_to_delete(run)

    @work(exclusive=True, group="delete")
    async def _ask_to_delete(self, run: "RunSummary") -> None:
        from core.run.actions import delete, size_of, trash_dir
        from core.run.folder import RunFolder
        from tui.dialogs.choice_and_value import Choice, ChoiceDialog

        size = await asyncio.to_thread(size_of, Path(run.path))
        if self.app.screen is not self:
            return

        def done(answer: str | None) -> None:
            if answer:
                said = f"{printable(run.name)} is in the trash; u brings it back"
                self._act(partial(delete, RunFolder(Path(run.path))), said)

        trash = printable(str(trash_dir(self.runs_dir)))
        question = (
            f"{printable(run.name)} ({printable(run.id)}), {fmt.size(size)} with its checkpoints, "
            f"moves to {trash}. u brings the last one back, `convnext-tui trash RUN` any of them; "
            "their disk space is free after `convnext-tui trash --empty`."
        )
        yes = Choice("enter", "Enter", "move it to the trash", "yes")
        dialog = ChoiceDialog("delete this run?", question, [yes], "leave it where it is")
        self.app.push_screen(dialog, done)

    def action_restore(self) -> None:
        """Bring the last deleted run back."""
        if not self.host.refuse_change():
            self._restore()

    @work
    async def _restore(self) -> None:
        from core.run.actions import in_trash, restore

        trashed = await asyncio.to_thread(in_trash, self.runs_dir)
        if not trashed:
            self._warn("the trash is empty")
            return
        self._act(partial(restore, trashed[0]), f"{printable(trashed[0].id)} is back in the list")
