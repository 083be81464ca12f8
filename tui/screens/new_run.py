"""Form for a new run: image folder, preset, the most important settings, and a preview."""

import asyncio
from contextlib import suppress
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.css.query import NoMatches
from textual.timer import Timer
from textual.widgets import Button, Input, Select, Static

from core.common.detached import run_detached
from core.common.text import printable
from core.config.load import ConfigError
from core.config.presets import PresetError, check_preset_name, save_preset
from core.config.schema import Config
from core.data.sources import parse_location
from core.forecast.model_list import ModelList
from tui.dialogs.text import TextDialog
from tui.screens.new_run_queue import QueueingFormScreen
from tui.viewmodel import new_run_form as forms
from tui.widgets.footer import KeyFooter
from tui.widgets.forecast import ForecastPanel
from tui.widgets.form_fields import FormFields, ListRequested, key_of
from tui.widgets.host import host

_TYPING_PAUSE = 0.3
"""Seconds after a key press until values are checked."""


def _described(
    preset: str, typed: dict[str, str], base: forms.Base | None
) -> tuple[Config | None, forms.FormError | None]:
    try:
        return forms.described(preset, typed, base), None
    except forms.FormError as error:
        return None, error


class NewRunScreen(QueueingFormScreen):
    """Ask for the configuration of a run, validate it while it is typed, and start the run."""

    CSS_PATH = "../new_run.tcss"
    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f5", "start", "Start", tooltip="Validate all fields and start the run (or Enter)"),
        # Its key is on its button: the footer has no space for it in 80 columns.
        Binding("f2", "demo", "Run the demo", show=False, tooltip="Train on the built-in images"),
        Binding("f4", "check", "Check",
                tooltip="Check the images for damaged files, duplicates and split leaks"),
        Binding("f8", "find_lr", "Find LR", show=False,
                tooltip="Find a learning rate with a range test of either phase"),
        Binding("f6", "save", "Save preset", tooltip="Save these settings as a preset"),
        # Priority over the focused field, which has nothing to scroll.
        Binding("pageup", "scroll(-1)", "Page up", show=False, priority=True,
                tooltip="Scroll the preview up one page"),
        Binding("pagedown", "scroll(1)", "Page down", show=False, priority=True,
                tooltip="Scroll the preview down one page"),
        Binding("escape", "cancel", "Cancel", tooltip="Back to the run list without a new run"),
    ]  # fmt: skip

    def __init__(self, base: forms.Base | None = None) -> None:
        """`base` is an existing run whose configuration replaces that of a preset."""
        super().__init__()
        self._data_pause: Timer | None = None
        self._values_pause: Timer | None = None
        self._data_checks = 0
        self._base = base
        self._models = ModelList()
        self._fields = FormFields(base, self._models, id="form")
        self._value_error: forms.FormError | None = None
        self._data_error = ""
        self._model_errors: dict[str, str] = {}
        """Known problems of model and weights, by config key."""

    def compose(self) -> ComposeResult:
        """Create the fields, the preview and the buttons."""
        title = f"New run based on {printable(self._base.name)}" if self._base else "New run"
        yield Static(Content(title), id="title")
        with Container(id="form-and-forecast"):
            yield self._fields
            yield ForecastPanel(host(self).runs_dir, id="forecast")
        yield Static("", id="forecast-summary", markup=False)
        with Container(id="start-row"):
            with Horizontal(id="buttons"):
                yield Button("F5  Start", id="start", variant="primary", compact=True)
                yield Button("F2  Run the demo", id="demo", compact=True)
                yield Button("F7  Add to queue", id="enqueue", compact=True)
                yield Button("Esc  Cancel", id="cancel", compact=True)
            yield Static("", id="start-message", markup=False)
        yield KeyFooter()

    def on_mount(self) -> None:
        """Show the values of the first preset, in the preview too."""
        self._show_preset()
        config, _ = _described("default", {}, self._base)
        self.query_one(ForecastPanel).update_forecast(config, "")

    @on(ForecastPanel.Updated)
    def _show_forecast_summary(self, event: ForecastPanel.Updated) -> None:
        self.query_one("#forecast-summary", Static).update(Content(event.summary))
        self._model_errors = event.problems
        for key, problem in event.problems.items():
            self._fields.show_message(key, problem)
        self._show_start_message()

    @on(Select.Changed, "#preset")
    def _show_preset(self) -> None:
        self._model_errors, self._value_error = {}, None
        try:
            self._fields.show_defaults()
        except ConfigError as error:
            self._value_error = forms.FormError(forms.START, str(error))
        self._show_start_message()
        self._update_forecast()

    @property
    def _problems(self) -> dict[str, str]:
        """Known reasons why a run cannot start, by config key."""
        preset, typed = self._fields.preset, self._fields.typed
        problems = {**self._model_errors, forms.DATA: self._data_error}
        if not (
            forms.has_folder(typed, self._base) or forms.is_demo_form(preset, typed, self._base)
        ):
            problems[forms.DATA] = forms.FOLDER_REQUIRED
        if self._value_error:
            problems[self._value_error.key] = str(self._value_error)
        return problems

    def _show_start_message(self, failure: str = "") -> None:
        """Show next to the buttons why a run cannot start, or why the last attempt failed."""
        line = self.query_one("#start-message", Static)
        line.set_class(bool(failure), "-error")
        line.update(Content(failure or forms.start_message(self._problems)))

    def _show_error(self, error: forms.FormError) -> None:
        """Show why the run cannot start, and focus the field to correct."""
        if error.key != forms.START:
            self._fields.show_message(error.key, str(error))
        self._fields.focus_field(error.key)
        self._show_start_message()

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        key = key_of(event.input)
        self._fields.show_message(key, "")
        if self._value_error and self._value_error.key in (key, forms.START):
            self._value_error = None
        if key in (forms.MODEL, forms.WEIGHTS, forms.MORE):
            self._model_errors = {}
        if key == forms.DATA:
            self._data_error = ""
            self._data_checks += 1
            if self._data_pause:
                self._data_pause.stop()
            self._data_pause = self.set_timer(_TYPING_PAUSE, self._check_data)
        if self._values_pause:
            self._values_pause.stop()
        self._values_pause = self.set_timer(_TYPING_PAUSE, self._update_forecast)
        self._show_start_message()

    @on(ListRequested)
    def _open_list(self, event: ListRequested) -> None:
        """Open the list of values of a field."""
        key, text = event.key, self._fields.typed[event.key]

        def use(chosen: str | None) -> None:
            if chosen is not None:
                self._fields.set_text(key, chosen)

        if key == forms.DATA:
            from tui.dialogs.folder import FolderDialog

            self.app.push_screen(FolderDialog(text, host(self).runs_dir), use)
        else:
            from tui.dialogs.model import ModelDialog

            current = text.strip() or self._fields.default(key)
            self.app.push_screen(ModelDialog(self._models, current), use)

    @work(exclusive=True, group="values")
    async def _update_forecast(self) -> None:
        """Show an error next to its field, and the forecast for all other values."""
        preset, typed = self._fields.preset, self._fields.typed
        config, error = await asyncio.to_thread(_described, preset, typed, self._base)
        with suppress(NoMatches):  # the screen was unmounted meanwhile
            if (preset, typed) == (self._fields.preset, self._fields.typed):
                self._value_error = error
                if error and error.key != forms.START:
                    self._fields.show_message(error.key, str(error))
                self._show_start_message()
                self.query_one(ForecastPanel).update_forecast(config, typed[forms.DATA].strip())

    @work
    async def _check_data(self) -> None:
        """Check the structure of the image folder in a thread; outdated results are dropped."""
        text, number = self._fields.typed[forms.DATA], self._data_checks
        if not text.strip():
            return
        error = await run_detached(forms.check_data, text)
        if number == self._data_checks:
            with suppress(NoMatches):  # the screen was unmounted meanwhile
                message = error or "✓ class folders found"
                self._data_error = error
                self._show_start_message()
                self._fields.show_message(forms.DATA, message, error=bool(error))

    @on(Input.Submitted)
    @on(Button.Pressed, "#start")
    def action_start(self) -> None:
        """Validate all fields and start the run."""
        self.start_run(self.is_demo())

    @on(Button.Pressed, "#demo")
    def action_demo(self) -> None:
        """Train on the built-in images."""
        self.start_run(demo=True)

    @on(Button.Pressed, "#enqueue")
    def _enqueue_pressed(self) -> None:
        self.action_enqueue()

    async def action_check(self) -> None:
        """Check the images of the folder and show the report."""
        from tui.screens.check import CheckScreen

        config, error = await asyncio.to_thread(
            _described, self._fields.preset, self._fields.typed, self._base
        )
        root = config.data.root if config else None
        if root:
            self.app.push_screen(CheckScreen(parse_location(root)))
        else:
            self._show_error(error or forms.FormError(forms.DATA, forms.FOLDER_REQUIRED))

    def action_scroll(self, pages: int) -> None:
        """Scroll the preview; on a narrow terminal it is below the fields and scrolls with them."""
        narrow = self.has_class("-narrow")
        box = self.query_one("#form-and-forecast" if narrow else "#forecast")
        box.scroll_relative(y=pages * max(1, box.size.height - 2), animate=False)

    def action_save(self) -> None:
        """Ask for a name and save the settings as a preset."""
        preset, typed = self._fields.preset, self._fields.typed
        config, error = _described(preset, typed, self._base)
        if config is None:
            if error:
                self._show_error(error)
            return
        hint = (
            "A preset contains all settings except the data folder and the run name. "
            "Use it here or with --config NAME."
        )
        origin = self._base.name if self._base else preset
        comment = f"Saved from the form for a new run, based on {origin}."

        def save(name: str | None) -> None:
            if name is not None:
                self._save(name, config, comment)

        self.app.push_screen(TextDialog("Preset name", "", hint, check_preset_name), save)

    @work(exclusive=True, group="save")
    async def _save(self, name: str, config: Config, comment: str) -> None:
        try:
            file = await asyncio.to_thread(save_preset, name, config, comment)
        except PresetError as error:
            self._show_start_message(str(error))
            return
        self.notify(f"Saved preset {printable(str(file))}", markup=False)
        self._fields.reload_presets()

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        """Return to the run list without a new run."""
        self.dismiss(None)

    def checked_config(self, demo: bool) -> Config | None:
        """Return the configuration; None after showing why it is not valid."""
        try:
            config = forms.build(self._fields.preset, self._fields.typed, demo, self._base)
        except forms.FormError as error:
            if error.key != forms.DATA:
                self._value_error = error
            self._show_error(error)
            return None
        for key, problem in self._model_errors.items():
            if not demo:
                self._show_error(forms.FormError(key, problem))
                return None
        return config

    async def data_is_valid(self, config: Config, demo: bool) -> bool:
        """Return whether the data folder can be trained on, after showing why it cannot."""
        if demo:
            return True
        self._data_error = await run_detached(forms.check_data, config.data.root or "")
        if self._data_error:
            self._show_error(forms.FormError(forms.DATA, self._data_error))
        return not self._data_error

    def show_failure(self, message: str) -> None:
        """Show why the run was not started."""
        self._show_start_message(message)

    @work(exclusive=True, group="launch")
    async def action_find_lr(self) -> None:
        """Find a learning rate, and enter it in the form if it is accepted."""
        from tui.screens.lr_find import LrFindScreen

        demo = self.is_demo()
        config = self.checked_config(demo)
        if config is None or not await self.data_is_valid(config, demo):
            return
        if host(self).refuse_change():
            return
        found = await self.app.push_screen_wait(LrFindScreen(config))
        if found is not None:
            key, rate = found
            more = forms.with_override(self._fields.typed[forms.MORE], key, rate)
            self._fields.set_text(forms.MORE, more)
