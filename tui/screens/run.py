"""Run screen: status, progress, tabs and controls of one run, in training or not."""

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.events import Resize
from textual.widget import Widget
from textual.widgets import Static

from core.run.state import RESUMABLE
from tui.preferences.settings import NOTIFY_DESCRIPTIONS, allowed_values
from tui.screens.run_controls import RunControlsScreen
from tui.screens.run_list_actions import FINISHED
from tui.tabs.base import RunTab
from tui.tabs.charts import ChartsTab
from tui.text import progress, run_status
from tui.viewmodel.findings import FindingLines
from tui.viewmodel.run_source import RunModel
from tui.widgets.footer import KeyFooter
from tui.widgets.hint import Hint, HintLine
from tui.widgets.host import host
from tui.widgets.size_classes import set_size_classes
from tui.widgets.tab_bar import TabBar

_LINES = ("headline", "facts", "notice", "phases", "progress")


def _charts_tab(model: RunModel) -> RunTab:
    return ChartsTab()


def _classes_tab(model: RunModel) -> RunTab:
    from tui.tabs.classes import ClassesTab

    return ClassesTab()


def _images_tab(model: RunModel) -> RunTab:
    from tui.tabs.images import ImagesTab

    return ImagesTab(model.path)


def _config_tab(model: RunModel) -> RunTab:
    from tui.tabs.config import ConfigTab

    return ConfigTab()


def _log_tab(model: RunModel) -> RunTab:
    from tui.tabs.log import LogTab

    return LogTab()


def _evaluations_tab(model: RunModel) -> RunTab:
    from tui.tabs.evaluations import EvaluationsTab

    return EvaluationsTab(model.path)


# Created, and most of them imported, when they are first opened: the first frame comes sooner.
_TABS: dict[str, Callable[[RunModel], RunTab]] = {
    "charts": _charts_tab,
    "classes": _classes_tab,
    "images": _images_tab,
    "config": _config_tab,
    "log": _log_tab,
    "evaluation": _evaluations_tab,
}


_ROWS_FOR_HINT = 30
_HINTS = (
    Hint("tab", f"1-{len(_TABS)}", "open the tabs"),
    Hint("pause", "space", "pauses training"),
    Hint("back", "Esc", "lists the runs and stops nothing"),
)


class RunScreen(RunControlsScreen):
    """Show the state of a run in a few lines and one of several tabs."""

    CSS_PATH = "../run.tcss"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"tab('{name}')", name.capitalize(), show=False,
                    tooltip=f"Show the {name} tab")
            for number, name in enumerate(_TABS, 1)
        ),
        Binding("r", "resume", "Resume", tooltip="Resume the run from its last checkpoint"),
        Binding("b", "notify_setting", "Notify", show=False,
                tooltip="Change the notification at the end of a phase: bell, message or off"),
        Binding("escape", "back", "Back", tooltip="Back to the run list; training continues"),
    ]  # fmt: skip

    def __init__(self, model: RunModel) -> None:
        super().__init__(model)
        self._texts: dict[str, Content] = {}
        # Held, not queried: a tick may still arrive while the screen is unmounted.
        self._lines = {id: Static(id=id, markup=False, classes="line") for id in _LINES}
        self._bar = TabBar(list(_TABS))
        self._tabs: dict[str, RunTab] = {"charts": ChartsTab()}
        self._tab = "charts"
        self._hint = HintLine("run", _HINTS)
        self._status = ""
        self._findings = FindingLines()
        self._body = Container(self._tabs["charts"], id="body")

    def compose(self) -> ComposeResult:
        """Create all widgets; the style sheet arranges them by the size of the terminal."""
        lines = list(self._lines.values())
        yield from lines[:2]
        yield self._bar
        yield from lines[2:]
        yield self._body
        yield self._hint
        yield KeyFooter()

    def on_mount(self) -> None:
        """Draw the current state in the first frame."""
        self.tick(self.clock(), charts=True)
        self.set_focus(self._tabs[self._tab])

    def on_resize(self, event: Resize) -> None:
        """Fit the layout and the lines to the new size."""
        set_size_classes(self, event.size)
        self.call_next(self.redraw)  # after Textual's layout in the new size

    def redraw(self) -> None:
        """Draw everything now."""
        self.tick(self.clock(), charts=True)

    def watch_focused(self, focused: Widget | None) -> None:
        """Keep the focus on the open tab, also after a click outside it."""
        if focused is None and self.is_mounted:
            self.call_later(self._focus_tab)

    def _focus_tab(self) -> None:
        if self.focused is None and self.is_mounted:
            self.set_focus(self._tabs[self._tab])

    async def action_tab(self, name: str) -> None:
        """Open a tab."""
        self._hint.use("tab")
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

    async def on_tab_bar_clicked(self, event: TabBar.Clicked) -> None:
        """Open the clicked tab."""
        await self.action_tab(event.name)

    def tick(self, now: float, charts: bool) -> None:
        """Refresh the screen; unchanged texts are not redrawn."""
        if not self.is_mounted:
            return
        status, now = self.model.status, self.model.run_time(now)
        if status != self._status:
            self._status = status
            self.refresh_bindings()  # the footer shows only keys that apply now
        self.set_class(status == "paused", "-paused")
        self.set_class(status in ("failed", "interrupted"), "-broken")
        self.take_replies()
        self._show_lines(status, now)
        self._show_hint()
        tab = self._tabs[self._tab]
        if tab.is_mounted and tab.is_attached:
            tab.show(self.model.state, status, charts)

    def headline(self, status: str, now: float) -> Content:
        """Return the first line."""
        return run_status.headline(self.model.state, status, now, self.shows_resume_key(status))

    def shows_resume_key(self, status: str) -> bool:
        """Return whether the first line names the key that resumes the run."""
        if status == "paused":
            return not self.model.read_only
        return not host(self).read_only_reason

    def _show_lines(self, status: str, now: float) -> None:
        state = self.model.state
        rows = 2 if self._has_space else 1
        width = max(40, self.size.width - 2)
        waiting = run_status.pending_commands(self.pending_commands)
        self._set("headline", self.headline(status, now) + Content(waiting))
        self._set("facts", run_status.details(state))
        self._set("notice", self.notice(width))
        self._set("phases", run_status.phase_steps(state, status, width))
        lines = progress.progress_lines(state, status, width, rows)
        self._set("progress", progress.bars_text(lines))

    @property
    def has_space_for_hint(self) -> bool:
        """Whether the first steps take no row that something else needs."""
        return self.size.height >= _ROWS_FOR_HINT

    def _show_hint(self) -> None:
        self._hint.show(self.has_space_for_hint, self._can_run)

    def _can_run(self, action: str) -> bool:
        return bool(self.check_action(action, ())) and not self.hides_key(action)

    def action_pause(self) -> None:
        """Pause training."""
        self._hint.use("pause")
        super().action_pause()

    def notice(self, width: int) -> Content:
        """Return problems of the run and of its record, and findings; empty without any."""
        state, source = self.model.state, self.model.source
        note = run_status.record_warnings(
            self.model.error, source.skipped_lines, source.read_only_reason, source.live
        )
        stalled = (
            run_status.stall_warning(state, self.model.seconds_since_update) if source.live else ""
        )
        problem = "; ".join(text for text in (note, stalled) if text)
        findings = self._findings.of(state)
        return run_status.notice_lines(problem, findings, self.size.height, width)

    @property
    def _has_space(self) -> bool:
        return self.has_class("-tall") and not self.has_class("-narrow")

    def _set(self, id: str, content: Content) -> None:
        before = self._texts.get(id)
        if before is None or not before.is_same(content):
            rows = content.plain.count("\n") if content.plain else -1
            rows_before = before.plain.count("\n") if before and before.plain else -1
            self._texts[id] = content
            # A new layout repaints the whole screen: only when the number of rows changes.
            self._lines[id].update(content, layout=rows != rows_before or id == "notice")
            self._lines[id].set_class(rows < 0, "-empty")
            if before is None and rows > 0:
                # The first layout measures lines before their texts: it keeps a height of one.
                self.call_after_refresh(self._lines[id].refresh, layout=True)

    def apply_preferences(self) -> None:
        """Apply changed settings to all tabs."""
        for tab in self._tabs.values():
            tab.apply_preferences()
        self._show_hint()

    def refresh_now(self) -> None:
        """Show a pending command without waiting for the next tick."""
        self.tick(self.clock(), charts=False)

    def action_resume(self) -> None:
        """Resume this run from its last checkpoint, unless it is training."""
        path = self.model.path or host(self).runs_dir / self.model.state.run_id
        error = self._why_not_resumed() or host(self).resume(path)
        if error:
            self.notify(error, severity="warning", markup=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Return whether an action applies now; the footer shows only keys that do."""
        if action == "resume":
            return self.model.status in RESUMABLE
        return super().check_action(action, parameters)

    def hides_key(self, action: str) -> bool:
        """Return whether the footer leaves out a key: it would only show why it has no effect."""
        read_only = bool(host(self).read_only_reason)
        return super().hides_key(action) or (action == "resume" and read_only)

    def _why_not_resumed(self) -> str:
        if self.model.source.live:
            return "this run is training"
        return FINISHED if self.model.state.status == "finished" else ""

    def action_notify_setting(self) -> None:
        """Change the notification at the end of a phase to the next choice."""
        values = allowed_values()["notify"]
        current = host(self).preferences.settings.notify
        following = values[(values.index(current) + 1) % len(values)]
        host(self).set_preference("notify", following)
        self.notify(f"At the end of a phase: {NOTIFY_DESCRIPTIONS[following]}", markup=False)

    def action_back(self) -> None:
        """Return to the run list; training continues."""
        self._hint.use("back")
        self.dismiss(None)
