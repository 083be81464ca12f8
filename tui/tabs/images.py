"""Tab with the most confident misclassified images and the first training samples."""

import asyncio
import os
from pathlib import Path
from typing import ClassVar

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
from tui.terminal.clipboard import copy
from tui.viewmodel import image_list
from tui.viewmodel.image_list import MISCLASSIFIED, Entry
from tui.viewmodel.images import LoadedImage
from tui.widgets.host import host
from tui.widgets.image_base import ImageWidget
from tui.widgets.image_factory import make_image_widget

_CACHED = 12
"""Images that are kept in memory."""


class _Names(OptionList, can_focus=False):
    """List of images. The tab has the focus and the keys."""


class ImagesTab(RunTab):
    """Show a list of images and the selected one."""

    # Not in the footer, which is full at 80 columns: the title names them.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "view", "View", show=False,
                tooltip="Show misclassified images, or training samples of a phase"),
        Binding("e", "best", "Best epoch", show=False,
                tooltip="Show misclassified images of the best epoch, or of the latest one"),
        Binding("y", "copy", "Copy path", show=False, tooltip="Copy the path of the image file"),
        Binding("w", "explain", "Explain", show=False,
                tooltip="Show or hide the Grad-CAM heatmap of the image"),
        Binding("up,k", "move(-1)", "Up", show=False, tooltip="Select the previous image"),
        Binding("down,j", "move(1)", "Down", show=False, tooltip="Select the next image"),
        Binding("home", "move(-1000)", "First", show=False, tooltip="Select the first image"),
        Binding("end", "move(1000)", "Last", show=False, tooltip="Select the last image"),
    ]  # fmt: skip
    DEFAULT_CSS = """
    ImagesTab {
        #images-title { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
        #images-list, #images-frame { height: 1fr; border: round $foreground 30%; }
        #images-list, #images-frame { border-title-color: $foreground; }
        #images-list { width: 2fr; min-width: 46; max-width: 60; }
        #images-list { background: $background; padding: 0; }
        #images-list { scrollbar-size: 1 1; text-wrap: nowrap; text-overflow: ellipsis; }
        #images-frame { width: 3fr; border-subtitle-color: $foreground 60%; }
        #images-frame-body { height: 1fr; align: center middle; overflow: hidden; }
        #images-frame-body > * { width: auto; height: auto; max-width: 160; max-height: 80; }
        #images-problem { padding: 0 1; max-width: 100%; }
        #images-caption { height: 2; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
        #images-empty { display: none; height: 1fr; content-align: center middle; padding: 0 2; }
        &.-empty > Horizontal { display: none; }
        &.-empty > #images-empty { display: block; }
        &:focus #images-list, &:focus #images-frame { border: round $primary 60%; }
    }
    """

    def __init__(self, folder: Path | None) -> None:
        """`folder` is the run folder; None if only the id of the run is known."""
        super().__init__(id="images-tab")
        self._folder = folder
        self._run = (RunState(), "")
        self._view = ""
        self._best = False
        self._drawn: tuple[object, ...] = ()
        self._entries: list[Entry] = []
        self._requested: Entry | None = None
        self._loading = False
        self._explained: Entry | None = None
        """Image whose heatmap is shown, or is being computed."""
        self._loaded: dict[Entry, LoadedImage] = {}
        self._image: ImageWidget | None = None
        # Held, not queried: a tick may still arrive while the tab is unmounted.
        self._title = Static(id="images-title", markup=False)
        self._empty = Static(id="images-empty", markup=False)
        self._names = _Names(id="images-list", markup=False)
        self._problem = Static(id="images-problem", markup=False)
        self._caption = Static(id="images-caption", markup=False)
        self._frame_body = Vertical(self._problem, id="images-frame-body")
        self._frame = Vertical(self._frame_body, self._caption, id="images-frame")

    def compose(self) -> ComposeResult:
        """Create the list, and the image with its caption."""
        yield self._title
        yield self._empty
        yield Horizontal(self._names, self._frame)

    def show(self, state: RunState, status: str, slow: bool) -> None:
        """Draw the state of the run if it has changed."""
        self._run = (state, status)
        if not self._view or self._view not in image_list.views(state):
            # Samples are saved first. A view that is already open is not changed.
            samples = list(state.evaluations.samples)
            self._view = samples[-1] if samples and not state.evaluations.latest else MISCLASSIFIED
        event = state.evaluations.best if self._best else state.evaluations.latest
        shown = event if self._view == MISCLASSIFIED else state.evaluations.samples.get(self._view)
        empty = "" if shown else image_list.empty_message(state, status, self._view, self._best)
        drawn = (self._view, self._best, empty, len(state.evaluations.samples))
        if self._drawn and self._drawn[0] is shown and self._drawn[1:] == drawn:
            return
        self._drawn = (shown, *drawn)
        self._take(state, status)

    def _take(self, state: RunState, status: str) -> None:
        errors = self._view == MISCLASSIFIED
        self._entries = (
            image_list.misclassified(state, self._best)
            if errors
            else image_list.samples(state, self._view, self._folder_of(state))
        )
        self._loaded.clear()
        self.set_class(not self._entries, "-empty")
        message = image_list.empty_message(state, status, self._view, self._best)
        self._empty.update(Content(message + self._other_view_hint(state)))
        self._title.update(Content(image_list.title(state, self._view, self._best)))
        before = self._names.highlighted
        self._names.clear_options()
        self._names.add_options([Content(entry.line) for entry in self._entries])
        self._names.border_title = Content(image_list.list_title(state, self._view, self._best))
        if self._entries:
            self._names.highlighted = min(before or 0, len(self._entries) - 1)
            self._request(self._entries[self._names.highlighted])

    def _other_view_hint(self, state: RunState) -> str:
        others = [name for name in image_list.views(state) if name != self._view]
        if not others:
            return ""
        return "\nv shows " + (
            "misclassified images." if others[0] == MISCLASSIFIED else "training samples."
        )

    def _folder_of(self, state: RunState) -> Path:
        return self._folder or host(self).runs_dir / state.run_id

    def _request(self, entry: Entry) -> None:
        """Show an image as soon as it is loaded."""
        if entry == self._requested and entry in self._loaded:
            return
        self._requested, self._explained = entry, None
        self._caption.update(Content(entry.caption))
        if entry in self._loaded:
            self._put(self._loaded[entry])
        elif not self._loading:
            self._loading = True
            self.run_worker(self._load(), exit_on_error=False)

    async def _load(self) -> None:
        """Load the requested image in a thread, one at a time: images skipped while moving through
        the list are not loaded."""
        try:
            await asyncio.to_thread(_import_image_libraries)
            while (entry := self._requested) is not None and entry not in self._loaded:
                loaded = await asyncio.to_thread(entry.load)
                while len(self._loaded) >= _CACHED:
                    del self._loaded[next(iter(self._loaded))]
                self._loaded[entry] = loaded
                if entry == self._requested and self.is_mounted:
                    self._put(loaded)
        finally:
            self._loading = False

    def _put(self, loaded: LoadedImage) -> None:
        """Show an image, or why there is none."""
        self._problem.display = loaded.image is None
        self._problem.update(Content(f"This image {printable(loaded.problem)}."))
        if self._image is None:
            setting = host(self).preferences.settings.pictures
            has_true_color = self.app.console.color_system == "truecolor"
            mode = graphics.choose_mode(os.environ, setting)
            kind = graphics.usable_mode(mode, has_true_color)
            self._image = make_image_widget(kind)
            self._image.add_class("image")
            self._frame_body.mount(self._image)
        self._image.display = loaded.image is not None
        self._image.put(loaded.image)

    def apply_preferences(self) -> None:
        """Draw the image with the renderer of the current setting."""
        if self._image is not None:
            self._image.remove()
            self._image = None
            if self._requested is not None and self._requested in self._loaded:
                self._put(self._loaded[self._requested])

    def action_view(self) -> None:
        """Show misclassified images, or the training samples of the next phase."""
        views = image_list.views(self._run[0])
        index = views.index(self._view) if self._view in views else -1
        self._view = views[(index + 1) % len(views)]
        self._names.highlighted = None
        self.show(*self._run, slow=True)

    def action_best(self) -> None:
        """Show misclassified images of the best epoch, or of the latest one."""
        self._best = not self._best
        self._view = MISCLASSIFIED
        self.show(*self._run, slow=True)

    def action_move(self, by: int) -> None:
        """Select another image."""
        if self._entries:
            index = (self._names.highlighted or 0) + by
            self._names.highlighted = min(len(self._entries) - 1, max(0, index))

    @on(OptionList.OptionHighlighted)
    def _moved(self, message: OptionList.OptionHighlighted) -> None:
        message.stop()
        if message.option_index < len(self._entries):
            self._request(self._entries[message.option_index])

    def action_explain(self) -> None:
        """Show or hide the Grad-CAM heatmap of the image."""
        entry = self._requested if self._entries else None
        if entry is None or entry.path is None or entry not in self._loaded:
            return
        if self._explained == entry:
            self._explained = None
            self._caption.update(Content(entry.caption))
            self._put(self._loaded[entry])
        elif not host(self).refuse_change():
            self._explained = entry
            self._caption.update(Content(f"computing the heatmap …\n{entry.caption}"))
            self.run_worker(self._explain(entry), exclusive=True, group="explain")

    async def _explain(self, entry: Entry) -> None:
        from tui.viewmodel.explain_process import explain

        assert entry.path is not None
        heatmap = await explain(self._folder_of(self._run[0]), entry.path)
        if self._explained == entry and self.is_mounted:
            self._caption.update(Content(f"Grad-CAM of the best weights │ w hide\n{entry.caption}"))
            self._put(heatmap)

    def action_copy(self) -> None:
        """Copy the path of the image file."""
        path = self._requested.path if self._entries and self._requested else None
        if path is None:
            self.notify("there is no file path to copy", severity="warning", markup=False)
            return
        # A clipboard holds text: names that are not UTF-8 are replaced in part.
        copy(self.app, os.fsencode(path.absolute()).decode("utf-8", "replace"))


def _import_image_libraries() -> None:
    """Import the libraries that draw images, in a thread, so that the event loop is not blocked."""
    import numpy
    import PIL.Image

    assert numpy and PIL.Image
