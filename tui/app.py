"""The app: which screens there are, one timer, and the rules for leaving."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import Enum
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from core.common.text import printable
from tui.preferences.preferences import Habits
from tui.preferences.refresh_rates import BANDWIDTHS, Rates
from tui.preferences.settings import OWN_THEME
from tui.preferences.themes import THEMES
from tui.screens.run_list import RunsScreen
from tui.terminal.terminal import detach_terminal

# The other screens, and what knows of runs, are imported where they are first wanted: together
# they take longer than everything else up to the first frame.
if TYPE_CHECKING:
    from core.config.schema import Config
    from core.session.resume import Resumption
    from tui.notifications import Caller
    from tui.viewmodel.run_source import Launched, RunModel

# The first screen's is here: Textual doesn't load the style sheet that a default screen names.
_STYLE_SHEETS: list[str | PurePath] = ["app.tcss", "runs.tcss"]
_WIDTHS = [(0, "-narrow"), (110, "-normal"), (170, "-wide")]
_HEIGHTS = [(0, "-short"), (34, "-tall")]


class Exit(Enum):
    """What the process that owns the engine shall do once the screen is closed."""

    DONE = "done"
    """Nothing trains."""
    DETACH = "detach"
    """Training goes on without a screen."""
    HUNG_UP = "hung up"
    """The same, and nobody is there to read anything."""
    STOP = "stop"
    """The engine was told to save and stop: wait for it."""


class StartRun(Protocol):
    """How the app asks the owner of the engine for a run."""

    def __call__(self, config: "Config", resumption: "Resumption | None" = None) -> "Launched":
        """Begin a run, or go on with one; raises OSError or ValueError when it can't begin."""


class Plan(Protocol):
    """How the app learns which run the command line has asked for."""

    def __call__(self) -> "tuple[Config, Resumption | None]":
        """Read it all; raises OSError or ValueError when it can't begin. Takes a moment."""


@runtime_checkable
class _OfARun(Protocol):
    model: "RunModel"


@runtime_checkable
class _Ticking(Protocol):
    def tick(self, now: float, charts: bool) -> None: ...


@runtime_checkable
class _Habitual(Protocol):
    def take_habits(self) -> None: ...


class ConvNextApp(App[Exit]):
    """The run list, a run's screen on top of it, and dialogs on top of that."""

    TITLE = "convnext-tui"
    CSS_PATH = _STYLE_SHEETS
    HORIZONTAL_BREAKPOINTS = _WIDTHS
    VERTICAL_BREAKPOINTS = _HEIGHTS
    BINDINGS: ClassVar[list[BindingType]] = [
        # Two bindings: the footer shows F1 where a question mark is typed into a field.
        Binding("question_mark", "help", "help", key_display="?", tooltip="Keys and docs"),
        Binding("f1", "help", "help", key_display="F1", tooltip="Keys and docs"),
        Binding("q", "quit", "quit", tooltip="Close the app; asks first while a run trains"),
        Binding("ctrl+c", "quit", "quit", show=False, priority=True, tooltip="As q"),
        Binding("ctrl+z", "suspend_process", "suspend", show=False, priority=True,
                tooltip="Stop the whole process, training too, until the shell's fg"),
        Binding("ctrl+p", "command_palette", "all", tooltip="Every action, by name"),
    ]  # fmt: skip

    def __init__(
        self,
        runs_dir: Path,
        start_run: StartRun,
        launched: "Launched | None" = None,
        clock: Callable[[], float] = time.time,
        show: Path | None = None,
        rates: Rates = BANDWIDTHS["full"],
        plan: Plan | None = None,
        habits: Habits | None = None,
        read_only_reason: str = "",
    ) -> None:
        """`launched` is a run that this process trains, `plan` one that it is to begin at once,
        `show` one on the disk to open first; `read_only_reason` why nothing can be changed here."""
        super().__init__()
        self.habits = habits or Habits()
        self._caller: Caller | None = None
        for theme in THEMES:
            self.register_theme(theme)
        if "TEXTUAL_THEME" not in os.environ:
            theme_name = self.habits.settings.theme
            known = theme_name in self.available_themes
            # Not by assignment: that would parse all style sheets twice before the first frame.
            self.set_reactive(App.theme, theme_name if known else OWN_THEME)
            self.stylesheet.set_variables(self.get_css_variables())
        self.animation_level = "none" if self.habits.settings.motion == "off" else "full"
        self.refused = ""
        """Why the planned run could not begin; the app has closed itself then."""
        self.rates = rates
        self._plan = plan
        self._show_first = show
        self.read_only_reason = read_only_reason
        self.runs_dir = runs_dir
        self.clock = clock
        self._start_run = start_run
        self._own = _model_of(launched) if launched else None
        self._ticks = 0
        self._hangup_before: Any = None

    def get_default_screen(self) -> Screen[None]:
        """The run list lies under everything, as soon as there is something above it."""
        if self._plan:
            from tui.screens.starting import StartingScreen

            return StartingScreen(self._plan)
        return RunsScreen(self.runs_dir)

    def on_mount(self) -> None:
        """Open the run that the command line has started, and start the one timer."""
        self._listen_for_hangup()
        if self._own:
            self._show_run(self._own, self.push_screen)
        elif self._show_first:
            self.open_run(self._show_first)
        self.set_interval(self.rates.tick, self.tick)
        self.theme_changed_signal.subscribe(self, lambda theme: self._theme_changed(theme.name))

    def tick(self) -> None:
        """Take in what the runs have said, and let the screens show it."""
        self._ticks += 1
        charts = self._ticks % self.rates.ticks_a_chart == 0
        screens = list(self.screen_stack)
        models = {id(s.model): s.model for s in screens if isinstance(s, _OfARun)}
        if self._own:
            models[id(self._own)] = self._own
        for model in models.values():
            model.pump()
        now = self.clock()
        for screen in screens:
            if isinstance(screen, _Ticking):
                screen.tick(now, charts)
        if charts:
            self._attend(list(models.values()))

    def _attend(self, models: "list[RunModel]") -> None:
        """Let the terminal tell how the uppermost run is, and call the person when one is over."""
        from tui.notifications import Caller  # it knows of runs

        if self._caller is None:
            self._caller = Caller(self.habits)
            self._tell_terminal(self._caller.begin())
        shown = next((s.model for s in reversed(self.screen_stack) if isinstance(s, _OfARun)), None)
        news = self._caller.news(models)
        self._tell_terminal(self._caller.retitle(shown or self._own) + self._caller.call(news))
        if self.habits.trouble:
            self.notify(self.habits.trouble, severity="warning", markup=False)
            self.habits.trouble = ""

    def _tell_terminal(self, sequences: str) -> None:
        if sequences and self._driver is not None:
            self._driver.write(sequences)

    def _theme_changed(self, name: str) -> None:
        self.habits.change("theme", name)

    def set_habit(self, name: str, value: str) -> None:
        """Change a setting; screens take it from their next look on."""
        self.habits.change(name, value)
        self.animation_level = "none" if self.habits.settings.motion == "off" else "full"
        for screen in self.screen_stack:
            if isinstance(screen, _Habitual):
                screen.take_habits()

    @property
    def training(self) -> bool:
        """Whether this process trains a run now."""
        return self._own is not None and self._own.training

    def open_run(self, path: Path) -> None:
        """Show a run of the list; the one that trains here can be steered."""
        from tui.viewmodel.run_source import JournalSource, RunModel

        own = self._own
        if own and path.name == own.state.run_id:
            model = own
        else:
            model = RunModel(JournalSource(path, self.read_only_reason), path)
        self._show_run(model, self.push_screen)

    def refuse_change(self) -> bool:
        """Say that nothing can be changed from here, where that is so."""
        if self.read_only_reason:
            self.notify(self.read_only_reason, severity="warning", markup=False)
        return bool(self.read_only_reason)

    def open_form(self) -> None:
        """Ask for a new run."""
        if self.refuse_change():
            return
        from tui.screens.new_run import NewRunScreen

        self.push_screen(NewRunScreen())

    def open_form_like(self, path: Path, name: str) -> str:
        """Ask for a new run with a past one's configuration; returns why not, or nothing."""
        from core.config.load import load_config
        from core.run.folder import RunFolder
        from tui.screens.new_run import NewRunScreen
        from tui.viewmodel.new_run_form import Base

        if self.read_only_reason:
            return self.read_only_reason
        try:
            base = Base(name, load_config(RunFolder(path).config))
        except (OSError, ValueError) as error:
            return str(error)
        self.push_screen(NewRunScreen(base))
        return ""

    def open_replay(self, path: Path) -> None:
        """Show a past run as it went, faster."""
        from tui.screens.replay import ReplayScreen
        from tui.viewmodel.replay import ReplayModel

        self.push_screen(ReplayScreen(ReplayModel(path, self.clock)))

    def open_comparison(self, paths: list[Path]) -> None:
        """Show some runs side by side."""
        from tui.screens.compare import CompareScreen

        self.push_screen(CompareScreen(paths, self.runs_dir))

    async def begin(self, plan: Plan) -> None:
        """Start the planned run and show it; when that can't be, close and say why in `refused`."""
        try:
            config, resumption = await asyncio.to_thread(plan)
        except (OSError, ValueError) as error:
            self.refused = str(error)
        else:
            # Over the starting screen: Textual can't take a default screen away.
            self.push_screen(RunsScreen(self.runs_dir))
            self.refused = self._launch(lambda: self._start_run(config, resumption))
        if self.refused:
            self.exit(Exit.DONE)

    def launch(self, config: "Config") -> str:
        """Start a run and show it; returns why not, or nothing."""
        return self._launch(lambda: self._start_run(config))

    def resume(self, path: Path) -> str:
        """Go on with a past run and show it; returns why not, or nothing."""
        from core.run.folder import RunFolder
        from core.session.resume import plan_resumption

        def start() -> "Launched":
            resumption = plan_resumption(RunFolder(path))
            return self._start_run(resumption.config, resumption)

        return self._launch(start)

    def _launch(self, start: "Callable[[], Launched]") -> str:
        if self.read_only_reason:
            return self.read_only_reason
        if self.training:
            name = self._own.state.name if self._own else ""
            return f"a run trains already ({name}): wait for it, or stop it first"
        try:
            launched = start()
        except (OSError, ValueError) as error:
            return str(error)
        self._own = _model_of(launched)
        show = self.push_screen if isinstance(self.screen, RunsScreen) else self.switch_screen
        self._show_run(self._own, show, launched.shown)
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
        """Show keys and docs."""
        from tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen, self.runs_dir))

    async def action_quit(self) -> None:
        """Close the app; while a run trains here, ask what becomes of it."""
        from tui.dialogs.choice_and_value import ChoiceDialog

        if not self.training:
            self.exit(Exit.DONE)
        elif not (isinstance(self.screen, ChoiceDialog) and self.screen.id == "quit"):
            self._ask_about_training()

    def _ask_about_training(self) -> None:
        from tui.dialogs.choice_and_value import Choice, ChoiceDialog

        dialog = ChoiceDialog(
            "training goes on: what now?",
            f"{printable(self._own.state.name if self._own else '')} trains in this process.",
            [
                Choice(
                    "d",
                    "d",
                    "close this screen; training goes on in this terminal without it, "
                    "with a line an epoch",
                    "detach",
                ),
                Choice("x", "x", "save a checkpoint at the next step and stop the run", "stop"),
            ],
            "stay here",
        )
        dialog.id = "quit"
        self.push_screen(dialog, self._leave)

    def _leave(self, answer: str | None) -> None:
        if answer == "detach":
            self.exit(Exit.DETACH if self.training else Exit.DONE)
        elif answer == "stop":
            from core.events.commands import Stop

            asked = self._own is not None and self._own.send(Stop())
            self.exit(Exit.STOP if asked else Exit.DONE)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every action there is where the palette was opened."""
        from tui.palette import palette_commands

        return palette_commands(self, screen)

    def save_picture(self) -> None:
        """Save the screen as SVG, once the palette is gone from it."""
        self.set_timer(0.1, self.deliver_screenshot)

    def _listen_for_hangup(self) -> None:
        # Without this a lost connection ends the process at once; with the signal ignored, the
        # app would spin on a terminal that is gone. Other signals are the owner's business.
        # Not by way of the loop: it may be waiting for the thread that writes to the terminal.
        loop = asyncio.get_running_loop()

        def hang_up(number: int, frame: object) -> None:
            detach_terminal()
            loop.call_soon_threadsafe(self._leave_quietly)

        with suppress(ValueError):  # not in the main thread
            self._hangup_before = signal.signal(signal.SIGHUP, hang_up)

    def _leave_quietly(self) -> None:
        self.exit(Exit.HUNG_UP if self.training else Exit.DONE)

    def on_unmount(self) -> None:
        """Hand the signal and the terminal's title back."""
        if self._caller is not None:
            self._tell_terminal(self._caller.end())
        if self._hangup_before is not None:
            signal.signal(signal.SIGHUP, self._hangup_before)


def _model_of(launched: "Launched") -> "RunModel":
    from tui.viewmodel.run_source import RunModel

    return RunModel(launched.source, launched.path)
