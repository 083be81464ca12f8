"""Tree of folders that reads each folder when it is expanded.

Not Textual's DirectoryTree: that looks up every entry in the event loop, shows nothing for a folder
that cannot be read, and waits for one that does not respond before it reads another.
"""

from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Tree
from textual.widgets.tree import TreeNode, UnknownNodeID

from core.common import format as fmt
from core.common.detached import run_detached
from core.common.text import printable
from tui.viewmodel.folders import Listing, list_folder

_MAX_SHOWN = 2000
"""Folders shown in one folder."""
_READING = "reading …"


class FolderTree(Tree[Path | None]):
    """Folders below a root, which can be changed to its parent. Nodes without a path are notes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Choose", tooltip="Use the highlighted folder"),
        Binding("right", "open", "Open", tooltip="Show the folders in the highlighted one"),
        Binding("left", "close", "Parent", tooltip="Close the folder, or move to its parent"),
        Binding("full_stop", "hidden", "Hidden folders", key_display=".",
                tooltip="Show or hide folders whose name starts with a dot"),
    ]  # fmt: skip

    class Chosen(Message):
        """A folder was chosen with Enter."""

        def __init__(self, folder: Path) -> None:
            super().__init__()
            self.folder = folder

    def __init__(self, id: str) -> None:
        super().__init__(_READING, None, id=id)
        self.guide_depth = 2
        self._shows_hidden = False
        self._wanted: Path | None = None
        """Folder to highlight once its parent has been read."""

    @property
    def folder(self) -> Path | None:
        """The highlighted folder."""
        return self.cursor_node.data if self.cursor_node else None

    def show_folder(self, root: Path, highlighted: Path | None = None) -> None:
        """Show the folders in `root`, with `root` or one of them highlighted."""
        self._wanted = highlighted
        self.reset(Text(printable(str(root))), root)
        self.cursor_line = -1  # so that the cursor moves, and is reported
        self.cursor_line = 0
        self.root.expand()

    async def _on_tree_node_expanded(self, event: "Tree.NodeExpanded[Path | None]") -> None:
        if event.node.data is not None:
            self._read(event.node, event.node.data)

    @work(group="folders")
    async def _read(self, node: TreeNode[Path | None], folder: Path) -> None:
        """Read a folder again whenever it is expanded; it may have changed or vanished."""
        node.remove_children()
        node.add_leaf(Text(_READING, style="dim"))
        listing = await run_detached(list_folder, folder)
        try:
            self.get_node_by_id(node.id)
        except UnknownNodeID:  # another root is shown meanwhile
            return
        if node.data == folder:
            self._populate(node, folder, listing)

    def _populate(self, node: TreeNode[Path | None], folder: Path, listing: Listing) -> None:
        node.remove_children()
        wanted = self._wanted.name if self._wanted and self._wanted.parent == folder else ""
        names = [n for n in listing.folders if self._shows_hidden or n[0] != "." or n == wanted]
        hidden = len(listing.folders) - len(names)
        shown = names[:_MAX_SHOWN]
        if wanted in names[_MAX_SHOWN:]:
            shown.append(wanted)
        for name in shown:
            child = node.add(Text(printable(name)), folder / name)
            if name == wanted:
                self._wanted = None
                self.call_after_refresh(self._highlight, child)
        for note in _notes(listing, len(names) - len(shown), hidden):
            node.add_leaf(Text(note, style="dim"))

    def _highlight(self, node: TreeNode[Path | None]) -> None:
        self.move_cursor(node)
        self.scroll_to_node(node, animate=False)

    def action_choose(self) -> None:
        """Report the highlighted folder."""
        if self.folder is not None:
            self.post_message(self.Chosen(self.folder))

    def action_open(self) -> None:
        """Expand the highlighted folder, or move into an expanded one."""
        node = self.cursor_node
        if node is None or node.data is None or node.is_expanded:
            self.action_cursor_down()
        else:
            node.expand()

    def action_close(self) -> None:
        """Collapse the highlighted folder, or move to its parent."""
        node = self.cursor_node
        root = self.root.data
        if node is None or root is None:
            return
        if node is self.root:
            if root.parent != root:
                self.show_folder(root.parent, root)
        elif node.is_expanded:
            node.collapse()
        elif node.parent is not None:
            self.move_cursor(node.parent)

    def action_hidden(self) -> None:
        """Show or hide folders whose name starts with a dot."""
        self._shows_hidden = not self._shows_hidden
        root, folder = self.root.data, self.folder
        if root is not None:
            inside = folder is not None and folder != root
            self.show_folder(folder.parent if inside and folder else root, folder)


def _notes(listing: Listing, left_out: int, hidden: int) -> list[str]:
    if listing.problem:
        return [listing.problem]
    if not listing.is_complete:
        return ["… too many entries to list all: type the path in the form"]
    if left_out:
        return [f"… {fmt.count(left_out)} more: type the path in the form"]
    if listing.folders:
        return []
    return ["no subfolders"]
