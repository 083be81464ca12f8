"""One run, live or past: is it going well, when is it done, what can be done."""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.events import Resize
from textual.widget import Widget
from textual.widgets import Footer, Static

from tui.preferences.settings import CALLS, CHOICES
from tui.screens.run_controls import SteeringScreen
from tui.screens.run_list_actions import FINISHED
from tui.tabs.base import RunTab
from tui.tabs.charts import ChartsTab
from tui.text import progress, run_status
from tui.viewmodel.run_source import RunModel
from tui.widgets.tab_bar import TabBar

if TYPE_CHECKING:
    from tui.app import ConvNextApp

_LINES = ("headline", "facts", "notice", "phases", "progress")


def _charts_tab(model: RunModel) -> RunTab:
    return ChartsTab()


def _classes_tab(model: RunModel) -> RunTab:
    from tui.tabs.classes import ClassesTab

    return ClassesTab()


def _pictures_tab(model: RunModel) -> RunTab:
    from tui.tabs.images import PicturesTab

    return PicturesTab(model.path)


def _config_tab(model: RunModel) -> RunTab:
    from tui.tabs.config import ConfigTab

    return ConfigTab()


def _log_tab(model: RunModel) -> RunTab:
    from tui.tabs.log import LogTab

    return LogTab()


def _evaluations_tab(model: RunModel) -> RunTab:
    from tui.tabs.evaluations import EvaluationsTab

    return EvaluationsTab(model.path)


# Made, and most of them imported, when they are first opened: the screen's first frame is sooner.
_TABS: dict[str, Callable[[RunModel], RunTab]] = {
    "charts": _charts_tab,
    "classes": _classes_tab,
    "pictures": _pictures_tab,
    "config": _config_tab,
    "log": _log_tab,
    "evaluation": _evaluations_tab,
}


class RunScreen(SteeringScreen):
    """Draws the state that its model holds; what keys ask for is `SteeringScreen`'s part."""

    CSS_PATH = "../run.tcss"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"tab('{name}')", name, show=False, tooltip=f"Tab {name}")
            for number, name in enumerate(_TABS, 1)
        ),
        Binding("r", "resume", "resume", tooltip="Go on with a run that stopped"),
        Binding(
            "b",
            "call",
            "call me",
            show=False,
            tooltip="When a phase ends: ring the bell, send a message, nothing",
        ),
        Binding("escape", "back", "runs", tooltip="Back to the list; training goes on"),
    ]

    def __init__(self, model: RunModel) -> None:
        super().__init__(model)
        self._texts: dict[str, Content] = {}
        # Held, not looked up: a tick may still come while the app takes the screen down.
        self._lines = {id: Static(id=id, markup=False, classes="line") for id in _LINES}
        self._bar = TabBar(list(_TABS))
        self._tabs: dict[str, RunTab] = {"charts": ChartsTab()}
        self._tab = "charts"
        self._status = ""
        self._body = Container(self._tabs["charts"], id="body")

    def compose(self) -> ComposeResult:
        """Lay out all widgets; the style sheet arranges them by the terminal's size."""
        lines = list(self._lines.values())
        yield from lines[:2]
        yield self._bar
        yield from lines[2:]
        yield self._body
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Draw what is known already: the first frame says something."""
        self.tick(self.clock(), charts=True)
        self.set_focus(self._tabs[self._tab])

    def on_resize(self, event: Resize) -> None:
        """Lines depend on the width."""
        self.call_after_refresh(self._redraw)

    def _redraw(self) -> None:
        self.tick(self.clock(), charts=True)

    def watch_focused(self, focused: Widget | None) -> None:
        """Keys are the open tab's, also after a click beside it."""
        if focused is None and self.is_mounted:
            self.call_later(self._focus_tab)

    def _focus_tab(self) -> None:
        if self.focused is None and self.is_mounted:
            self.set_focus(self._tabs[self._tab])

    async def action_tab(self, name: str) -> None:
        """Open a tab."""
        if name == self._tab:
            return
        if name not in self._tabs:
            self._tabs[name] = _TABS[name](self.model)
            await self._body.mount(self._tabs[name])
        self._tab = name
        for other, tab in self._tabs.items():
            tab.display = other == name
        self._bar.show(name)
        self.set_focus(self._tabs[name])
        self.tick(self.clock(), charts=True)

    async def on_tab_bar_chosen(self, event: TabBar.Chosen) -> None:
        """Open the tab that was clicked."""
        await self.action_tab(event.name)

    def tick(self, now: float, charts: bool) -> None:
        """Bring the screen up to date; texts that stay the same are not sent again."""
        if not self.is_mounted:
            return
        status = self.model.status
        if status != self._status:
            self._status = status
            self.refresh_bindings()  # the footer has the keys that do something now
        self.set_class(status == "paused", "-paused")
        self.set_class(status in ("failed", "interrupted"), "-broken")
        self.take_answers()
        self._show_lines(status, now)
        tab = self._tabs[self._tab]
        if tab.is_mounted and tab.is_attached:
            tab.show(self.model.state, status, charts)

    def headline(self, status: str, now: float) -> Content:
        """Return what the first line says of the run."""
        return run_status.headline(self.model.state, status, now, self.helps(status))

    def helps(self, status: str) -> bool:
        """Return whether a key gets the run out of its trouble, from where it is looked at."""
        if status == "paused":
            return not self.model.read_only
        return not cast("ConvNextApp", self.app).read_only_reason

    def _show_lines(self, status: str, now: float) -> None:
        state, source = self.model.state, self.model.source
        rows = 2 if self._roomy else 1
        width = max(40, self.size.width - 2)
        waiting = run_status.pending_commands(self.waiting_for)
        self._set("headline", self.headline(status, now) + Content(waiting))
        self._set("facts", run_status.details(state))
        note = run_status.record_warnings(
            self.model.error, source.skipped_lines, source.read_only_reason, source.live
        )
        late = run_status.stall_warning(state, self.model.silence) if source.live else ""
        self._set("notice", Content("; ".join(text for text in (note, late) if text)))
        self._set("phases", run_status.phase_steps(state, status))
        lines = progress.progress_lines(state, status, width, rows)
        self._set("progress", progress.bars_text(lines))

    @property
    def _roomy(self) -> bool:
        return self.has_class("-tall") and not self.has_class("-narrow")

    def _set(self, id: str, content: Content) -> None:
        before = self._texts.get(id)
        if before is None or not before.is_same(content):
            rows = content.plain.count("\n") if content.plain else -1
            rows_before = before.plain.count("\n") if before and before.plain else -1
            self._texts[id] = content
            # A new layout repaints everything: only where a line comes, goes or grows.
            self._lines[id].update(content, layout=rows != rows_before or id == "notice")
            self._lines[id].set_class(rows < 0, "-empty")

    def take_habits(self) -> None:
        """Look at the run the way the settings say from now on."""
        for tab in self._tabs.values():
            tab.take_habits()

    def refresh_now(self) -> None:
        """Show that something was asked for."""
        self.tick(self.clock(), charts=False)

    def action_resume(self) -> None:
        """Go on with this run from its last checkpoint, if it doesn't train anyway."""
        app = cast("ConvNextApp", self.app)
        path = self.model.path or app.runs_dir / self.model.state.run_id
        refused = self._why_not_resumed() or app.resume(path)
        if refused:
            self.notify(refused, severity="warning", markup=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show the key that goes on with a run where that may be."""
        if action == "resume":
            return self.model.status in ("stopped", "failed", "interrupted")
        return super().check_action(action, parameters)

    def _why_not_resumed(self) -> str:
        if self.model.source.live:
            return "this run is training"
        return FINISHED if self.model.state.status == "finished" else ""

    def action_call(self) -> None:
        """Change how the person is called when a phase ends."""
        app = cast("ConvNextApp", self.app)
        values = CHOICES["notify"]
        following = values[(values.index(app.habits.settings.notify) + 1) % len(values)]
        app.set_habit("notify", following)
        self.notify(f"when a phase ends: {CALLS[following]}", markup=False)

    def action_back(self) -> None:
        """Back to the list; a run of this process goes on."""
        self.dismiss(None)
