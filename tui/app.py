"""The app: its screens, the refresh timer, and the rules for quitting while a run trains."""

import asyncio
import os
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, ClassVar, Protocol

from textual.app import App
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.screen import Screen

from tui.preferences.palettes import has_few_colors
from tui.preferences.preferences import Preferences
from tui.preferences.refresh_rates import BANDWIDTHS, RefreshRates
from tui.preferences.settings import OWN_THEME
from tui.preferences.themes import themes_for
from tui.screens.opening import OpensScreens
from tui.screens.run_list import RunListScreen
from tui.terminal.clipboard import copy_selection
from tui.terminal.job_signals import JobSignals
from tui.widgets.host import HasModel, HasPreferences, HasTick

# All other screens, and modules that read runs, are imported on first use: together their imports
# take longer than everything else up to the first frame.
if TYPE_CHECKING:
    from core.config.schema import Config
    from core.session.resume import Resumption
    from tui.notifications import Notifier
    from tui.viewmodel.run_source import LaunchedRun, RunModel
    from tui.widgets.host import Host, Plan, StudyControl

# With the default screen's own style sheet: Textual doesn't load the one that it names.
_STYLE_SHEETS: list[str | PurePath] = ["app.tcss", "run_list.tcss"]
_WIDTHS = [(0, "-narrow"), (110, "-normal"), (170, "-wide")]
_HEIGHTS = [(0, "-short"), (34, "-tall")]


class Exit(Enum):
    """How the process continues after the app has closed."""

    DONE = "done"
    """No run is training: end the process."""
    DETACH = "detach"
    """Continue training without the app."""
    HUNG_UP = "hung up"
    """Continue training without the app and without output: the terminal is gone."""
    STOP = "stop"
    """The engine was asked to save and stop: wait for it."""


class StartRun(Protocol):
    """Start a run in this process."""

    def __call__(self, config: "Config", resumption: "Resumption | None" = None) -> "LaunchedRun":
        """Start a new run, or resume one; raises OSError or ValueError if it cannot start."""


def _palette() -> "type[Provider]":
    from tui.palette import ActionProvider

    return ActionProvider


class ConvNextApp(OpensScreens[Exit]):
    """Terminal app with the run list at the bottom of the screen stack, and run screens, forms and
    dialogs above it."""

    TITLE = "convnext-tui"
    CSS_PATH = _STYLE_SHEETS
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {_palette}
    HORIZONTAL_BREAKPOINTS = _WIDTHS
    VERTICAL_BREAKPOINTS = _HEIGHTS
    BINDINGS: ClassVar[list[BindingType]] = [
        # Two bindings: the footer shows F1 while a field has the focus that accepts a question
        # mark.
        Binding("question_mark", "help", "Help", key_display="?",
                tooltip="Show the keys of this screen, and the guide"),
        Binding("f1", "help", "Help", key_display="F1",
                tooltip="Show the keys of this screen, and the guide"),
        Binding("q", "quit", "Quit", tooltip="Close the app; asks first while a run is training"),
        Binding("ctrl+c", "copy_or_quit", "Copy or quit", show=False, priority=True,
                tooltip="Copy the selected text; without any, close the app"),
        Binding("ctrl+z", "suspend_process", "Suspend", show=False, priority=True,
                tooltip="Suspend the whole process, training included, until fg in the shell"),
        Binding("ctrl+p", "command_palette", "Menu", tooltip="Find any action by name"),
    ]  # fmt: skip

    def __init__(
        self,
        runs_dir: Path,
        start_run: StartRun,
        *,
        launched: "LaunchedRun | None" = None,
        plan: "Plan | None" = None,
        show: Path | None = None,
        show_queue: bool = False,
        preferences: Preferences | None = None,
        rates: RefreshRates = BANDWIDTHS["full"],
        clock: Callable[[], float] = time.time,
        read_only_reason: str = "",
        study_control: "StudyControl | None" = None,
    ) -> None:
        """Create the app over a runs directory.

        At most one thing is opened over the run list: `launched`, a run that already trains in this
        process, `plan`, a run to start as soon as the app is on the screen, `show`, the folder of
        a run or study, or with `show_queue` the queue. `read_only_reason` says why this app may
        change nothing; empty if it may.
        """
        super().__init__()
        self.runs_dir = runs_dir
        self.preferences = preferences or Preferences()
        self.rates = rates
        self.clock = clock
        self.read_only_reason = read_only_reason
        self.study_control = study_control
        self.start_error = ""
        """Why the planned run could not start; the app has exited then."""
        self._start_run = start_run
        self._plan = plan
        self._show_first = show
        self._show_queue = show_queue
        self._own_run = _model_of(launched) if launched else None
        self._notifier: Notifier | None = None
        self._ticks = 0
        self._signals = JobSignals(self._exit_on_hangup, lambda: self.refresh(layout=True))
        self._set_theme_before_first_frame()
        self._apply_motion()

    def _set_theme_before_first_frame(self) -> None:
        for theme in themes_for(has_few_colors(self), self.no_color):
            self.register_theme(theme)
        if self.preferences.has_given_theme or "TEXTUAL_THEME" not in os.environ:
            name = self.preferences.settings.theme
            known = name in self.available_themes
            # Not by assignment: that would parse all style sheets twice before the first frame.
            self.set_reactive(App.theme, name if known else OWN_THEME)
            self.stylesheet.set_variables(self.get_css_variables())

    def _apply_motion(self) -> None:
        self.animation_level = "none" if self.preferences.settings.motion == "off" else "full"

    def get_default_screen(self) -> Screen[None]:
        """Return the screen at the bottom of the stack."""
        if self._plan:
            from tui.screens.starting import StartingScreen

            return StartingScreen(self._plan)
        return RunListScreen(self.runs_dir)

    def on_mount(self) -> None:
        """Open the run that the command line asks for, and start the refresh timer."""
        self._signals.install()
        if self._own_run:
            self._show_run(self._own_run, self.push_screen)
        elif self._show_first:
            self._show_path(self._show_first)
        elif self._show_queue:
            self.open_queue()
        self.set_interval(self.rates.tick, self.tick)
        self.theme_changed_signal.subscribe(self, lambda theme: self._theme_changed(theme.name))

    def tick(self) -> None:
        """Apply new events to the state of all open runs, and refresh the screens."""
        self._ticks += 1
        charts = self._ticks % self.rates.ticks_per_chart == 0
        screens = list(self.screen_stack)
        models = {id(s.model): s.model for s in screens if isinstance(s, HasModel)}
        if self._own_run:
            models[id(self._own_run)] = self._own_run
        for model in models.values():
            model.pump()
        now = self.clock()
        for screen in screens:
            if isinstance(screen, HasTick):
                screen.tick(now, charts)
        if charts:
            self._notify_about(list(models.values()))

    def _notify_about(self, models: "list[RunModel]") -> None:
        """Update the terminal title from the topmost run, and notify when a phase has ended."""
        from tui.notifications import Notifier  # it imports modules that read runs

        if self._notifier is None:
            self._notifier = Notifier(self.preferences)
            self.write_to_terminal(self._notifier.begin())
        shown = next(
            (s.model for s in reversed(self.screen_stack) if isinstance(s, HasModel)), None
        )
        ended = self._notifier.new_milestones(models)
        title = self._notifier.update_title(shown or self._own_run)
        self.write_to_terminal(title + self._notifier.notification(ended))
        if self.preferences.error:
            self.notify(self.preferences.error, severity="warning", markup=False)
            self.preferences.error = ""

    def _theme_changed(self, name: str) -> None:
        self.preferences.change("theme", name)

    def set_preference(self, name: str, value: str) -> None:
        """Change a setting and apply it to all open screens."""
        self.preferences.change(name, value)
        self._apply_motion()
        for screen in self.screen_stack:
            if isinstance(screen, HasPreferences):
                screen.apply_preferences()

    @property
    def training(self) -> bool:
        """Whether a run is training in this process."""
        return self._own_run is not None and self._own_run.training

    def refuse_change(self) -> bool:
        """Return whether the app is read-only, after a notification that says so."""
        if self.read_only_reason:
            self.notify(self.read_only_reason, severity="warning", markup=False)
        return bool(self.read_only_reason)

    def open_run(self, path: Path) -> None:
        """Show a run, with the engine of this process if it trains here."""
        from tui.viewmodel.run_source import JournalSource, RunModel

        own = self._own_run
        if own and path.name == own.state.run_id:
            model = own
        else:
            model = RunModel(JournalSource(path, self.read_only_reason), path)
        self._show_run(model, self.push_screen)

    def _show_path(self, path: Path) -> None:
        """Show a run or a study."""
        from core.study.definition import is_study

        (self.open_study if is_study(path) else self.open_run)(path)

    def open_queue(self, job: int = 0) -> None:
        """Show the queue, with a job selected by its number."""
        from tui.screens.queue import QueueScreen

        show = self.push_screen if isinstance(self.screen, RunListScreen) else self.switch_screen
        show(QueueScreen(self.runs_dir, job))

    def open_form(self) -> None:
        """Open the form for a new run."""
        if self.refuse_change():
            return
        from tui.screens.new_run import NewRunScreen

        self.push_screen(NewRunScreen())

    async def begin(self, plan: "Plan") -> None:
        """Start the planned run and show it; exit with `start_error` if it cannot start."""
        try:
            config, resumption = await asyncio.to_thread(plan)
        except (OSError, ValueError) as error:
            self.start_error = str(error)
        else:
            # Over the starting screen: Textual cannot remove a default screen.
            self.push_screen(RunListScreen(self.runs_dir))
            self.start_error = self._launch(lambda: self._start_run(config, resumption))
        if self.start_error:
            self.exit(Exit.DONE)

    def launch(self, config: "Config") -> str:
        """Start a run and show it; return an error message, empty on success."""
        return self._launch(lambda: self._start_run(config))

    def resume(self, path: Path) -> str:
        """Resume a run and show it; return an error message, empty on success."""
        from core.run.folder import RunFolder
        from core.session.resume import plan_resumption

        def start() -> "LaunchedRun":
            resumption = plan_resumption(RunFolder(path))
            return self._start_run(resumption.config, resumption)

        return self._launch(start)

    def _launch(self, start: "Callable[[], LaunchedRun]") -> str:
        if self.read_only_reason:
            return self.read_only_reason
        if self.training:
            name = self._own_run.state.name if self._own_run else ""
            return f"run {name} is already training; stop it, or wait until it has finished"
        try:
            launched = start()
        except (OSError, ValueError) as error:
            return str(error)
        self._own_run = _model_of(launched)
        show = self.push_screen if isinstance(self.screen, RunListScreen) else self.switch_screen
        self._show_run(self._own_run, show, launched.shown)
        return ""

    def _show_run(
        self,
        model: "RunModel",
        show: Callable[[Screen[None]], object],
        shown: Callable[[], object] = lambda: None,
    ) -> None:
        from tui.screens.run import RunScreen

        model.pump()
        screen = RunScreen(model)
        show(screen)
        screen.call_after_refresh(shown)

    def action_help(self) -> None:
        """Show the keys of this screen."""
        self._show_help(guide=False)

    def action_guide(self) -> None:
        """Show the guide."""
        self._show_help(guide=True)

    def _show_help(self, guide: bool) -> None:
        from tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen, self.runs_dir, guide))

    async def action_copy_or_quit(self) -> None:
        """Copy the selected text, as ctrl+c does elsewhere; close the app if there is none."""
        if not copy_selection(self):
            await self.action_quit()

    async def action_quit(self) -> None:
        """Close the app; ask first while a run trains in this process."""
        from tui.dialogs.quit import is_quit_dialog, quit_dialog

        if not self.training:
            self.exit(Exit.DONE)
        elif not is_quit_dialog(self.screen):
            name = self._own_run.state.name if self._own_run else ""
            self.push_screen(quit_dialog(name), self._exit_with)

    def _exit_with(self, answer: str | None) -> None:
        from tui.dialogs.quit import DETACH, STOP

        if answer == DETACH:
            self.exit(Exit.DETACH if self.training else Exit.DONE)
        elif answer == STOP:
            from core.events.commands import Stop

            sent = self._own_run is not None and self._own_run.send(Stop())
            self.exit(Exit.STOP if sent else Exit.DONE)

    def action_save_screenshot(self) -> None:
        """Save the screen as SVG, after the palette has closed."""
        self.set_timer(0.1, self.deliver_screenshot)

    def _exit_on_hangup(self) -> None:
        self.exit(Exit.HUNG_UP if self.training else Exit.DONE)

    def on_unmount(self) -> None:
        """Restore the signal handler and the terminal's title."""
        if self._notifier is not None:
            self.write_to_terminal(self._notifier.end())
        self._signals.restore()


def _model_of(launched: "LaunchedRun") -> "RunModel":
    from tui.viewmodel.run_source import RunModel

    return RunModel(launched.source, launched.path)


if TYPE_CHECKING:

    def _as_host(app: ConvNextApp) -> Host:
        """Let mypy check that the app implements `Host`."""
        return app
