"""The form for a new run: a folder, a preset, a few keys; errors stand beside their field."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Button, Footer, Input, Select, Static

from core.common.text import printable
from core.config.load import ConfigError
from core.config.presets import (
    PresetError,
    check_preset_name,
    preset_comment,
    preset_names,
    save_preset,
)
from core.config.schema import Config
from core.data.storage import parse_location
from tui.dialogs.text import TextDialog
from tui.viewmodel import new_run_form as forms
from tui.widgets.forecast import ForecastPanel

if TYPE_CHECKING:
    from tui.app import ConvNextApp

_TYPING_PAUSE = 0.3
_LIKE = (
    "What is left empty stays as it was recorded when that run began; more keys can be changed in "
    "the last line."
)


def _id(key: str) -> str:
    return key.replace(".", "-").replace("_", "-")


def _described(
    preset: str, typed: dict[str, str], base: forms.Base | None
) -> tuple[Config | None, forms.FormError | None]:
    try:
        return forms.described(preset, typed, base), None
    except forms.FormError as error:
        return None, error


class NewRunScreen(Screen[None]):
    """Asks what to train on; starts it when everything typed makes sense."""

    CSS_PATH = "../new_run.tcss"
    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f5", "start", "start", tooltip="Check everything and begin to train (or Enter)"),
        Binding("f2", "demo", "demo instead", tooltip="Train on the built-in pictures"),
        Binding("f4", "check", "check", tooltip="Read all pictures: damaged ones, copies, leaks"),
        Binding("f6", "save", "save preset", tooltip="Keep what is typed as a preset, by a name"),
        # Before the field that has the focus, which has nothing to scroll.
        Binding("pageup", "scroll(-1)", "up", show=False, priority=True,
                tooltip="What will happen: a page up"),
        Binding("pagedown", "scroll(1)", "down", show=False, priority=True,
                tooltip="What will happen: a page down"),
        Binding("escape", "back", "back", tooltip="Back to the list; nothing is started"),
    ]  # fmt: skip

    def __init__(self, base: forms.Base | None = None) -> None:
        """`base` is a past run whose configuration takes the place of a preset's."""
        super().__init__()
        self._pause: Timer | None = None
        self._values_pause: Timer | None = None
        self._checks = 0
        self._base = base

    @property
    def _host(self) -> "ConvNextApp":
        return cast("ConvNextApp", self.app)

    def compose(self) -> ComposeResult:
        """Lay one field a line: label, value, hint or error."""
        title = f"a new run like {printable(self._base.name)}" if self._base else "a new run"
        yield Static(Content(title), id="title")
        # No VerticalScroll: it would take the keys for pages from the screen.
        with Container(id="form-and-outlook"):
            with Container(id="form"):
                yield from self._fields()
            yield ForecastPanel(self._host.runs_dir, id="outlook")
        yield Static("", id="forecast_summary", markup=False)
        yield Static("", id="start-message", markup=False)
        with Horizontal(id="buttons"):
            yield Button("start", id="start", variant="primary", compact=True)
            yield Button("demo instead", id="demo", compact=True)
            yield Button("back", id="back", compact=True)
        yield Footer(compact=True, show_command_palette=False)

    def _fields(self) -> ComposeResult:
        yield from self._field(forms.FIELDS[0])
        with Horizontal(classes="field"):
            yield Static(Content("like" if self._base else "preset"), classes="label")
            yield from self._origin()
        yield Static("", id="preset-comment", classes="hint", markup=False)
        for field in forms.FIELDS[1:]:
            yield from self._field(field)

    def _origin(self) -> ComposeResult:
        """What the values come from that nobody types: a past run, or a preset."""
        if self._base:
            yield Static(Content(printable(self._base.name)), classes="origin")
            return
        names = preset_names()
        yield Select(
            [(name, name) for name in names],
            value="default" if "default" in names else names[0],
            allow_blank=False,
            compact=True,
            id="preset",
        )
        yield Static(Content("for all other values"), classes="hint")

    def _field(self, field: forms.FormField) -> ComposeResult:
        with Horizontal(classes="field"):
            yield Static(Content(field.label), classes="label")
            yield Input(id=_id(field.key), compact=True)
            yield Static(
                Content(field.hint), id=f"{_id(field.key)}-hint", classes="hint", markup=False
            )

    def on_mount(self) -> None:
        """Show the first preset's values."""
        self._show_preset()

    @on(ForecastPanel.Found)
    def _show_gist(self, event: ForecastPanel.Found) -> None:
        self.query_one("#forecast_summary", Static).update(Content(event.summary))
        for key, problem in event.problems.items():
            self._say(key, problem)

    @on(Select.Changed, "#preset")
    def _show_preset(self) -> None:
        preset = self._preset()
        comment = _LIKE if self._base else preset_comment(preset)
        self.query_one("#preset-comment", Static).update(Content(comment))
        try:
            values = forms.placeholders(preset, self._base)
        except ConfigError as error:  # a preset that a person has written
            self._say(forms.START, str(error))
            return
        for key, value in values.items():
            self.query_one(f"#{_id(key)}", Input).placeholder = value
        self._say(forms.START, "")
        self._look()

    def _preset(self) -> str:
        return "default" if self._base else str(self.query_one("#preset", Select).value)

    def _typed(self) -> dict[str, str]:
        return {f.key: self.query_one(f"#{_id(f.key)}", Input).value for f in forms.FIELDS}

    def _say(self, key: str, message: str, bad: bool = True) -> None:
        """Put a message beside a field; an empty one brings its hint back."""
        if key == forms.START:
            self.query_one("#start-message", Static).update(Content(message))
            return
        hint = self.query_one(f"#{_id(key)}-hint", Static)
        own = next(f.hint for f in forms.FIELDS if f.key == key)
        hint.set_class(bool(message) and bad, "-error")
        hint.set_class(bool(message) and not bad, "-good")
        hint.update(Content(message or own))

    def _refuse(self, key: str, message: str) -> None:
        """Say why nothing starts, and go where that can be mended."""
        self._say(key, message)
        if key != forms.START:
            self.query_one(f"#{_id(key)}", Input).focus()

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        key = next(f.key for f in forms.FIELDS if _id(f.key) == event.input.id)
        self._say(key, "")
        self._say(forms.START, "")
        if key == forms.DATA:
            self._checks += 1
            if self._pause:
                self._pause.stop()
            self._pause = self.set_timer(_TYPING_PAUSE, self._check_data)
        if self._values_pause:
            self._values_pause.stop()
        self._values_pause = self.set_timer(_TYPING_PAUSE, self._look)

    @work(exclusive=True, group="values")
    async def _look(self) -> None:
        """Say beside its field what can't be used, and what would come of the rest."""
        preset, typed = self._preset(), self._typed()
        config, error = await asyncio.to_thread(_described, preset, typed, self._base)
        with suppress(NoMatches):  # the screen was taken down meanwhile
            if (preset, typed) == (self._preset(), self._typed()):
                if error:
                    self._say(error.key, str(error))
                self.query_one(ForecastPanel).look(config, typed[forms.DATA].strip())

    @work
    async def _check_data(self) -> None:
        """Look at the folder's structure in a thread; an answer that comes too late is dropped."""
        text, number = self.query_one(f"#{_id(forms.DATA)}", Input).value, self._checks
        if not text.strip():
            return
        error = await asyncio.to_thread(forms.check_data, text)
        if number == self._checks:
            with suppress(NoMatches):  # the screen was taken down meanwhile
                self._say(forms.DATA, error or "✓ class folders found", bad=bool(error))

    @on(Input.Submitted)
    @on(Button.Pressed, "#start")
    def action_start(self) -> None:
        """Check everything and begin to train."""
        self._begin(demo=forms.is_demo_form(self._preset(), self._typed(), self._base))

    @on(Button.Pressed, "#demo")
    def action_demo(self) -> None:
        """Train on the built-in pictures."""
        self._begin(demo=True)

    async def action_check(self) -> None:
        """Read the folder's pictures and show what is wrong with them."""
        from tui.screens.check import CheckScreen

        config, error = await asyncio.to_thread(
            _described, self._preset(), self._typed(), self._base
        )
        root = config.data.root if config else None
        if root:
            self.app.push_screen(CheckScreen(parse_location(root)))
        else:
            problem = error or forms.FormError(forms.DATA, "needed: a folder of pictures")
            self._say(problem.key, str(problem))

    def action_scroll(self, pages: int) -> None:
        """Move what stands beside the form, or below it."""
        narrow = self.has_class("-narrow")
        box = self.query_one("#form-and-outlook" if narrow else "#outlook")
        box.scroll_relative(y=pages * max(1, box.size.height - 2), animate=False)

    def action_save(self) -> None:
        """Ask for a name, then keep what is typed as a preset."""
        preset, typed = self._preset(), self._typed()
        config, error = _described(preset, typed, self._base)
        if config is None:
            if error:
                self._say(error.key, str(error))
            return
        hint = "The preset holds all but the folder and the run's name; --config NAME takes it too."
        origin = self._base.name if self._base else preset
        comment = f"Saved from the form for a new run, which began with {origin}."

        def done(name: str | None) -> None:
            if name is not None:
                self._save(name, config, comment)

        self.app.push_screen(TextDialog("a preset's name", "", hint, check_preset_name), done)

    @work(exclusive=True, group="save")
    async def _save(self, name: str, config: Config, comment: str) -> None:
        try:
            file = await asyncio.to_thread(save_preset, name, config, comment)
        except PresetError as error:
            self._say(forms.START, str(error))
            return
        self.notify(f"saved as {printable(str(file))}", markup=False)
        for choice in self.query("#preset").results(Select):
            now = choice.value
            choice.set_options([(known, known) for known in preset_names()])
            choice.value = now

    @on(Button.Pressed, "#back")
    def action_back(self) -> None:
        """Back without a run."""
        self.dismiss(None)

    def _begin(self, demo: bool) -> None:
        try:
            config = forms.build(self._preset(), self._typed(), demo, self._base)
        except forms.FormError as error:
            self._refuse(error.key, str(error))
            return
        self._launch(config, demo)

    @work(exclusive=True, group="launch")
    async def _launch(self, config: Config, demo: bool) -> None:
        error = ""
        if not demo:
            error = await asyncio.to_thread(forms.check_data, config.data.root or "")
        if error:
            self._refuse(forms.DATA, error)
            return
        refused = self._host.launch(config)
        if refused:
            self._say(forms.START, refused)
