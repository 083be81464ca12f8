"""All keys of the app as one page of Markdown, made from the bindings themselves."""

from collections.abc import Iterable, Iterator

from textual.app import App

from tui.app import ConvNextApp
from tui.dialogs.choice import ChoiceDialog
from tui.dialogs.text import TextDialog
from tui.dialogs.value import ValueDialog
from tui.screens.check import CheckScreen
from tui.screens.compare import CompareScreen
from tui.screens.help import HelpScreen
from tui.screens.new_run import NewRunScreen
from tui.screens.replay import ReplayScreen
from tui.screens.run import RunScreen
from tui.screens.run_controls import RunControlsScreen
from tui.screens.run_list import RunListScreen
from tui.screens.run_list_actions import RunActionsScreen
from tui.screens.run_list_filter import RunFilterScreen
from tui.tabs.charts import ChartsTab
from tui.tabs.classes import ClassesTab
from tui.tabs.config import ConfigTab
from tui.tabs.evaluations import EvaluationsTab
from tui.tabs.images import ImagesTab
from tui.tabs.log import LogTab
from tui.text.key_bindings import Row, declared_keys

KEY_SECTIONS: dict[str, tuple[type[object], ...]] = {
    "Everywhere": (ConvNextApp,),
    "The list of runs": (RunListScreen, RunActionsScreen, RunFilterScreen),
    "A run": (RunControlsScreen, RunScreen),
    "A run's charts": (ChartsTab,),
    "A run's classes": (ClassesTab,),
    "A run's pictures": (ImagesTab,),
    "A run's configuration": (ConfigTab,),
    "A run's log": (LogTab,),
    "A run's evaluations": (EvaluationsTab,),
    "A run that is played again": (ReplayScreen,),
    "A comparison": (CompareScreen,),
    "The form of a new run": (NewRunScreen,),
    "The form's check of pictures": (CheckScreen,),
    "Help": (HelpScreen,),
    "A question": (ChoiceDialog, ValueDialog, TextDialog),
}
"""Each place, with the classes that declare its keys."""
_HEAD = """# Keys

Made from the app's bindings by `convnext-tui keys --app`. In the app `?` shows those of the place
where you are, and ctrl+p finds each by its name. `^` is ctrl, `⏎` is enter. Lists and forms take
the arrows, Tab and the mouse besides.
"""


def keys_page() -> str:
    """Return the page."""
    app: App[None] = App()
    parts = [_HEAD]
    for title, owners in KEY_SECTIONS.items():
        rows = dict.fromkeys(row for owner in owners for row in declared_keys(owner, app))
        parts.append("\n".join(_table(title, rows)))
    return "\n".join(parts)


def _table(title: str, rows: Iterable[Row]) -> Iterator[str]:
    yield f"## {title}\n"
    yield "| key | name | does |"
    yield "| --- | --- | --- |"
    for row in rows:
        keys = " ".join(f"`{key}`" for key in row.keys)
        yield f"| {keys} | {_cell(row.name)} | {_cell(row.meaning)} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", r"\|")
