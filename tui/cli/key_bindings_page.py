"""Generate the page of the app's key bindings from the bindings themselves."""

from collections.abc import Iterable, Iterator

from textual.app import App

from tui.app import ConvNextApp
from tui.dialogs.choice import ChoiceDialog
from tui.dialogs.folder import FolderDialog, RecentFolders
from tui.dialogs.model import ModelDialog
from tui.dialogs.text import TextDialog
from tui.dialogs.value import ValueDialog
from tui.screens.check import CheckScreen
from tui.screens.compare import CompareScreen
from tui.screens.compare_groups import CompareGroupsScreen
from tui.screens.help import HelpScreen
from tui.screens.job_log import JobLogScreen
from tui.screens.lr_find import LrFindScreen
from tui.screens.new_run import NewRunScreen
from tui.screens.new_run_queue import QueueingFormScreen
from tui.screens.queue import QueueScreen
from tui.screens.queue_actions import QueueActionsScreen
from tui.screens.replay import ReplayScreen
from tui.screens.run import RunScreen
from tui.screens.run_controls import RunControlsScreen
from tui.screens.run_list import RunListScreen
from tui.screens.run_list_actions import RunActionsScreen
from tui.screens.run_list_filter import RunFilterScreen
from tui.screens.run_list_studies import RunStudiesScreen
from tui.screens.study import StudyScreen
from tui.screens.study_keys import StudyKeys
from tui.screens.study_members import StudyMembers
from tui.tabs.charts import ChartsTab
from tui.tabs.classes import ClassesTab
from tui.tabs.config import ConfigTab
from tui.tabs.evaluations import EvaluationsTab
from tui.tabs.images import ImagesTab
from tui.tabs.log import LogTab
from tui.text.key_bindings import KeyRow, declared_keys
from tui.widgets.folder_tree import FolderTree
from tui.widgets.form_fields import FolderInput, ModelInput
from tui.widgets.preset_select import PresetSelect

KEY_SECTIONS: dict[str, tuple[type[object], ...]] = {
    "Everywhere": (ConvNextApp,),
    "List of runs": (RunListScreen, RunActionsScreen, RunStudiesScreen, RunFilterScreen),
    "Run screen": (RunControlsScreen, RunScreen),
    "Run screen: charts": (ChartsTab,),
    "Run screen: classes": (ClassesTab,),
    "Run screen: images": (ImagesTab,),
    "Run screen: config": (ConfigTab,),
    "Run screen: log": (LogTab,),
    "Run screen: evaluations": (EvaluationsTab,),
    "Replay of a run": (ReplayScreen,),
    "Study screen": (StudyScreen, StudyMembers, StudyKeys),
    "Comparison": (CompareScreen,),
    "Comparison of studies": (CompareGroupsScreen,),
    "Queue": (QueueScreen, QueueActionsScreen),
    "Queue: output of a job": (JobLogScreen,),
    "New run form": (NewRunScreen, QueueingFormScreen, FolderInput, ModelInput, PresetSelect),
    "New run form: folders": (FolderTree, RecentFolders, FolderDialog),
    "New run form: models": (ModelDialog,),
    "New run form: learning rate": (LrFindScreen,),
    "Data check": (CheckScreen,),
    "Help": (HelpScreen,),
    "Dialogs": (ChoiceDialog, ValueDialog, TextDialog),
}
"""Each section of the page, with the classes that declare its keys."""
_HEAD = """# Keys

Generated from the app's key bindings by `convnext-tui keys --app`. In the app `?` shows the keys of
the current screen, and ctrl+p finds every action by name. `^` is ctrl, `⏎` is enter. Lists and
forms also take the arrow keys, Tab and the mouse.

Keys are Latin letters. In other keyboard layouts (Cyrillic, Greek, Hebrew, …) they work by their
place on the keyboard in terminals that report it (kitty keyboard protocol, as in kitty, foot and
Ghostty); elsewhere switch the layout.
"""


def key_bindings_page() -> str:
    """Return all key bindings of the app as a page of Markdown."""
    app: App[None] = App()
    parts = [_HEAD]
    for title, owners in KEY_SECTIONS.items():
        rows = dict.fromkeys(row for owner in owners for row in declared_keys(owner, app))
        parts.append("\n".join(_table(title, rows)))
    return "\n".join(parts)


def _table(title: str, rows: Iterable[KeyRow]) -> Iterator[str]:
    yield f"## {title}\n"
    yield "| key | action | description |"
    yield "| --- | --- | --- |"
    for row in rows:
        keys = " ".join(f"`{key}`" for key in row.keys)
        yield f"| {keys} | {_cell(row.name)} | {_cell(row.meaning)} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", r"\|")
