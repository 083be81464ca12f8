"""Pictures of a run: the mistakes it is surest of, and what its first batches look like."""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import OptionList, Static

from core.common.text import printable
from core.run.state import RunState
from tui.tabs.base import RunTab
from tui.terminal import graphics
from tui.terminal.graphics import PictureView
from tui.viewmodel import image_list as picture_entries
from tui.viewmodel.image_list import MISTAKES, Entry
from tui.viewmodel.images import Loaded

if TYPE_CHECKING:
    from tui.app import ConvNextApp

_KEPT = 12
"""Pictures that are kept for a second look."""


class _Names(OptionList, can_focus=False):
    """The list beside the picture; the tab has the keys."""


class PicturesTab(RunTab):
    """A list of pictures, and the one that the cursor stands on."""

    # None is shown in the footer, which is full at 80 columns: they stand where they work.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "v", "view", "view", show=False, tooltip="Mistakes, or samples of the training pictures"
        ),
        Binding(
            "e",
            "best",
            "best",
            show=False,
            tooltip="Mistakes of the best epoch, or of the latest one",
        ),
        Binding(
            "y", "copy", "copy path", show=False, tooltip="Copy the path of this picture's file"
        ),
        Binding(
            "w",
            "explain",
            "why",
            show=False,
            tooltip="Where in this picture the network looks (Grad-CAM), or the picture again",
        ),
        Binding("up,k", "move(-1)", "up", show=False, tooltip="The picture before"),
        Binding("down,j", "move(1)", "down", show=False, tooltip="The next picture"),
        Binding("home", "move(-1000)", "first", show=False, tooltip="The first picture"),
        Binding("end", "move(1000)", "last", show=False, tooltip="The last picture"),
    ]
    DEFAULT_CSS = """
    PicturesTab {
        #pictures-title { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
        #pictures-list, #pictures-frame { height: 1fr; border: round $foreground 30%; }
        #pictures-list, #pictures-frame { border-title-color: $foreground; }
        #pictures-list { width: 2fr; max-width: 60; background: $background; padding: 0; }
        #pictures-list { scrollbar-size: 1 1; text-wrap: nowrap; text-overflow: ellipsis; }
        #pictures-frame { width: 3fr; border-subtitle-color: $foreground 60%; }
        #pictures-place { height: 1fr; align: center middle; overflow: hidden; }
        #pictures-place > * { width: auto; height: auto; max-width: 160; max-height: 80; }
        #pictures-problem { padding: 0 1; max-width: 100%; }
        #pictures-caption { height: 2; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
        #pictures-empty { display: none; height: 1fr; content-align: center middle; padding: 0 2; }
        &.-empty > Horizontal { display: none; }
        &.-empty > #pictures-empty { display: block; }
        &:focus #pictures-list, &:focus #pictures-frame { border: round $primary 60%; }
    }
    """

    def __init__(self, folder: Path | None) -> None:
        """`folder` is the run's own; None where only its id is known."""
        super().__init__(id="pictures-tab")
        self._folder = folder
        self._run = (RunState(), "")
        self._view = ""
        self._best = False
        self._drawn: tuple[object, ...] = ()
        self._entries: list[Entry] = []
        self._wanted: Entry | None = None
        self._loading = False
        self._explained: Entry | None = None
        """The picture over which a map stands, or is to stand."""
        self._loaded: dict[Entry, Loaded] = {}
        self._picture: PictureView | None = None
        # Held, not looked up: a tick may still come while the app takes the tab down.
        self._title = Static(id="pictures-title", markup=False)
        self._empty = Static(id="pictures-empty", markup=False)
        self._names = _Names(id="pictures-list", markup=False)
        self._problem = Static(id="pictures-problem", markup=False)
        self._caption = Static(id="pictures-caption", markup=False)
        self._place = Vertical(self._problem, id="pictures-place")
        self._frame = Vertical(self._place, self._caption, id="pictures-frame")

    def compose(self) -> ComposeResult:
        """Lay out the list and, beside it, the picture with what there is to say of it."""
        yield self._title
        yield self._empty
        yield Horizontal(self._names, self._frame)

    def show(self, state: RunState, status: str, slow: bool) -> None:
        """Draw this state of the run; does nothing where nothing has changed."""
        self._run = (state, status)
        if not self._view or self._view not in picture_entries.views(state):
            # Samples are there first; whoever looks at them isn't moved on.
            self._view = MISTAKES if state.evaluation or not state.samples else [*state.samples][-1]
        event = state.best_evaluation if self._best else state.evaluation
        shown = event if self._view == MISTAKES else state.samples.get(self._view)
        empty = "" if shown else picture_entries.nothing(state, status, self._view, self._best)
        drawn = (self._view, self._best, empty, len(state.samples))
        if self._drawn and self._drawn[0] is shown and self._drawn[1:] == drawn:
            return
        self._drawn = (shown, *drawn)
        self._take(state, status)

    def _take(self, state: RunState, status: str) -> None:
        mistakes = self._view == MISTAKES
        self._entries = (
            picture_entries.mistakes(state, self._best)
            if mistakes
            else picture_entries.samples(state, self._view, self._folder_of(state))
        )
        self._loaded.clear()
        self.set_class(not self._entries, "-empty")
        nothing = picture_entries.nothing(state, status, self._view, self._best)
        self._empty.update(Content(nothing + self._way_out(state)))
        self._title.update(Content(picture_entries.title(state, self._view, self._best)))
        before = self._names.highlighted
        self._names.clear_options()
        self._names.add_options([Content(entry.line) for entry in self._entries])
        self._names.border_title = Content(
            picture_entries.list_title(state, self._view, self._best)
        )
        if self._entries:
            self._names.highlighted = min(before or 0, len(self._entries) - 1)
            self._want(self._entries[self._names.highlighted])

    def _way_out(self, state: RunState) -> str:
        others = [name for name in picture_entries.views(state) if name != self._view]
        if not others:
            return ""
        return "\nv shows " + ("the mistakes." if others[0] == MISTAKES else "training samples.")

    def _folder_of(self, state: RunState) -> Path:
        return self._folder or cast("ConvNextApp", self.app).runs_dir / state.run_id

    def _want(self, entry: Entry) -> None:
        """Show a picture as soon as it is there."""
        if entry == self._wanted and entry in self._loaded:
            return
        self._wanted, self._explained = entry, None
        self._caption.update(Content(entry.caption))
        if entry in self._loaded:
            self._put(self._loaded[entry])
        elif not self._loading:
            self._loading = True
            self.run_worker(self._load(), exit_on_error=False)

    async def _load(self) -> None:
        """Read what is wanted in a thread, one picture at a time: whoever runs through the list
        doesn't wait for what was passed."""
        try:
            await asyncio.to_thread(_import)
            while (entry := self._wanted) is not None and entry not in self._loaded:
                loaded = await asyncio.to_thread(entry.load)
                while len(self._loaded) >= _KEPT:
                    del self._loaded[next(iter(self._loaded))]
                self._loaded[entry] = loaded
                if entry == self._wanted and self.is_mounted:
                    self._put(loaded)
        finally:
            self._loading = False

    def _put(self, loaded: Loaded) -> None:
        """Show a picture, or why there is none."""
        self._problem.display = loaded.image is None
        self._problem.update(Content(f"This picture {printable(loaded.problem)}."))
        if self._picture is None:
            setting = cast("ConvNextApp", self.app).habits.settings.pictures
            kind = graphics.usable(graphics.choose(os.environ, setting))
            self._picture = graphics.make_picture(kind)
            self._picture.add_class("picture")
            self._place.mount(self._picture)
        self._picture.display = loaded.image is not None
        self._picture.put(loaded.image)

    def take_habits(self) -> None:
        """Draw the picture in the way that is set now."""
        if self._picture is not None:
            self._picture.remove()
            self._picture = None
            if self._wanted is not None and self._wanted in self._loaded:
                self._put(self._loaded[self._wanted])

    def action_view(self) -> None:
        """Show the mistakes, or the samples of the next phase."""
        views = picture_entries.views(self._run[0])
        place = views.index(self._view) if self._view in views else -1
        self._view = views[(place + 1) % len(views)]
        self._names.highlighted = None
        self.show(*self._run, slow=True)

    def action_best(self) -> None:
        """Show the best epoch's mistakes, or the latest one's again."""
        self._best = not self._best
        self._view = MISTAKES
        self.show(*self._run, slow=True)

    def action_move(self, by: int) -> None:
        """Go to another picture."""
        if self._entries:
            place = (self._names.highlighted or 0) + by
            self._names.highlighted = min(len(self._entries) - 1, max(0, place))

    @on(OptionList.OptionHighlighted)
    def _moved(self, message: OptionList.OptionHighlighted) -> None:
        message.stop()
        if message.option_index < len(self._entries):
            self._want(self._entries[message.option_index])

    def action_explain(self) -> None:
        """Lay a map over the picture of where the network looks, or take it away."""
        entry = self._wanted if self._entries else None
        if entry is None or entry.path is None or entry not in self._loaded:
            return
        if self._explained == entry:
            self._explained = None
            self._caption.update(Content(entry.caption))
            self._put(self._loaded[entry])
        elif not cast("ConvNextApp", self.app).refuse_change():
            self._explained = entry
            self._caption.update(Content(f"asking the network …\n{entry.caption}"))
            self.run_worker(self._explain(entry), exclusive=True, group="explain")

    async def _explain(self, entry: Entry) -> None:
        from tui.viewmodel.explain_process import explain

        assert entry.path is not None
        found = await explain(self._folder_of(self._run[0]), entry.path)
        if self._explained == entry and self.is_mounted:
            self._caption.update(
                Content(f"where the best weights look · w takes it away\n{entry.caption}")
            )
            self._put(found)

    def action_copy(self) -> None:
        """Copy where this picture's file is."""
        path = self._wanted.path if self._entries and self._wanted else None
        if path is None:
            self.notify("there is no file to copy the path of", severity="warning", markup=False)
            return
        # Names that are no UTF-8 can't go through a clipboard as they are.
        text = os.fsencode(path.absolute()).decode("utf-8", "replace")
        self.app.copy_to_clipboard(text)
        self.notify(f"copied: {printable(text)}", markup=False)


def _import() -> None:
    """What drawing a picture needs, so that the app's thread doesn't wait for it."""
    import numpy
    import PIL.Image

    assert numpy and PIL.Image
