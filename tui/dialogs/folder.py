"""Dialog that browses folders and lists the data folders of past runs."""

from pathlib import Path
from typing import ClassVar

from rich.cells import cell_len
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Footer, OptionList, Static
from textual.widgets.option_list import Option

from core.common.detached import run_detached
from core.common.text import printable
from tui.viewmodel.folders import RecentFolder, nearest_folder, recent_folders
from tui.widgets.folder_tree import FolderTree

_UNPRINTABLE = "The path contains control characters, which the form cannot take: rename the folder"
_WIDTH = 66
"""Cells of a line: the dialog's width without its border, padding and scroll bar."""


def shortened_path(path: str, width: int) -> str:
    """Return a path of at most `width` cells; a longer one starts with an ellipsis."""
    if cell_len(path) <= width:
        return path
    while cell_len(path) >= width:
        path = path[1:]
    return f"…{path}"


class RecentFolders(OptionList):
    """Data folders of past runs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Choose", tooltip="Use the highlighted folder"),
    ]


class FolderDialog(ModalScreen[str | None]):
    """Choose a folder from a tree, or from the data folders of past runs; None if canceled."""

    CSS_PATH = "../dialogs.tcss"
    AUTO_FOCUS = "FolderTree"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "Next list",
                tooltip="Move between the folders and the recent folders"),
        Binding("escape", "cancel", "Cancel", tooltip="Close this dialog without a change"),
    ]  # fmt: skip

    def __init__(self, text: str, runs_dir: Path) -> None:
        """The tree starts at the folder in `text` or its nearest existing parent."""
        super().__init__()
        self._typed = text
        self._runs_dir = runs_dir
        self._tree = FolderTree(id="folders")
        self._recent = RecentFolders(id="recent", compact=True)
        self._recent.border_title = "Recent folders"
        self._recent.display = False
        self._line = Static(id="hint", markup=False)

    def compose(self) -> ComposeResult:
        """Create the lists and the buttons."""
        with Vertical(classes="dialog tall") as box:
            box.border_title = "Data folder"
            yield self._recent
            yield self._tree
            yield self._line
            with Horizontal(classes="buttons"):
                for button in (
                    Button("Enter  Choose", id="choose", variant="primary", compact=True),
                    Button("Esc  Cancel", id="cancel", compact=True),
                ):
                    button.can_focus = False  # Enter belongs to the lists
                    yield button
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Read the folders, in threads."""
        self._show_start()
        self._show_recent()

    @work
    async def _show_start(self) -> None:
        self._tree.show_folder(await run_detached(nearest_folder, self._typed))
        self._show_path()

    @work
    async def _show_recent(self) -> None:
        recent = await run_detached(recent_folders, self._runs_dir)
        self._recent.add_options(Option(_recent_line(each), each.root) for each in recent)
        self._recent.display = bool(recent)

    @on(FolderTree.NodeHighlighted)
    def _show_path(self) -> None:
        folder = self._tree.folder
        if folder is not None:
            self._show_line(shortened_path(printable(str(folder)), _WIDTH))

    def _show_line(self, text: str, error: bool = False) -> None:
        self._line.set_class(error, "-error")
        self._line.update(Content(text))

    @on(FolderTree.Chosen)
    def _chosen(self, event: FolderTree.Chosen) -> None:
        path = str(event.folder)
        if printable(path) == path:
            self.dismiss(path)
        else:
            self._show_line(_UNPRINTABLE, error=True)

    @on(Button.Pressed, "#choose")
    def _choose(self) -> None:
        if self._recent.has_focus:
            self._recent.action_select()
        else:
            self._tree.action_choose()

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_id)

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        """Close the dialog without a change."""
        self.dismiss(None)


def _recent_line(folder: RecentFolder) -> Content:
    missing = "" if folder.exists else "  not found"
    path = shortened_path(printable(folder.root), _WIDTH - len(missing))
    return Content(f"{path}{missing}")
