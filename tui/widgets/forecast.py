"""The panel that says, beside the form, what a new run will come to."""

import asyncio
from dataclasses import replace
from pathlib import Path
from threading import Event

from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.events import Resize
from textual.message import Message
from textual.widgets import Static

from core.common.errors import DataError
from core.common.text import printable
from core.config.schema import Config
from core.data.storage import parse_location
from core.demo.config import is_demo
from core.forecast.device_memory import Room, room_on
from core.forecast.forecast import DataOutlook, look_at_data
from core.forecast.model_info import model_facts, weights_at_hand
from core.forecast.throughput_history import Pace, pace_of
from core.run.folder import RunList
from tui.preferences.palettes import palette_for
from tui.text.forecast import (
    NO_FOLDER,
    UNUSABLE,
    WAITING,
    Forecast,
    forecast_summary,
    forecast_text,
    problems,
)


class ForecastPanel(VerticalScroll):
    """Looks, beside the loop, at what the form describes, and shows what it has found so far."""

    BORDER_TITLE = "what will happen"

    class Found(Message):
        """More is known; `summary` is all of it in one line, `problems` what can't be, by key."""

        def __init__(self, summary: str, problems: dict[str, str]) -> None:
            super().__init__()
            self.summary = summary
            self.problems = problems

    def __init__(self, runs_dir: Path, id: str) -> None:
        super().__init__(id=id, can_focus=False)
        self._runs_dir = runs_dir
        self._outlook = Forecast()
        self._looked: dict[str, object] = {}
        """What each part was last looked up for."""
        self._text = Static("", markup=False)
        self._folder = ""
        self._counting = Event()
        """Set when the count that runs is of no use any more."""

    def compose(self) -> ComposeResult:
        """One text that scrolls."""
        yield self._text

    def on_mount(self) -> None:
        """Say what this is for."""
        self._draw()

    def on_resize(self, event: Resize) -> None:
        """Break the lines anew."""
        self._draw()

    def on_unmount(self) -> None:
        """Let go of a count of files that nobody waits for any more."""
        self._counting.set()

    def look(self, config: Config | None, folder: str) -> None:
        """Show what would come of a configuration; None while something typed can't be used.

        `folder` is what was typed for the pictures.
        """
        self._show(replace(self._outlook, config=config))
        if config is None:
            if folder != self._folder:
                self._counting.set()
                self._looked.pop("data", None)
                self._show(replace(self._outlook, data=None, data_said=UNUSABLE))
            return
        self._folder = folder
        self._look_for_data(config)
        if self._is_new("model", (config.model.name, config.data.image_size)):
            self._show(replace(self._outlook, facts=None))
            self._look_at_model(config.model.name, config.data.image_size)
        if self._is_new("pace", _what_sets_the_pace(config)):
            self._show(replace(self._outlook, pace=None, pace_known=False))
            self._look_at_past(config)

    def _is_new(self, part: str, subject: object) -> bool:
        new = self._looked.get(part) != subject
        self._looked[part] = subject
        return new

    def _look_for_data(self, config: Config) -> None:
        root = config.data.root
        fractions = config.data.val_fraction, config.data.test_fraction
        if not self._is_new("data", (root, fractions)):
            return
        self._counting.set()
        self._counting = Event()
        if not root:
            said = NO_FOLDER
        elif is_demo(config) and not Path(root).is_dir():
            said = "the built-in pictures, drawn as the run begins"
        else:
            said = WAITING
            self._look_at_data(root, *fractions, self._counting)
        self._show(replace(self._outlook, data=None, data_said=said))

    @work(exclusive=True, group="data")
    async def _look_at_data(self, root: str, val: float, test: float, stop: Event) -> None:
        data: DataOutlook | None = None
        try:
            data = await asyncio.to_thread(look_at_data, parse_location(root), val, stop.is_set, test)
            said = WAITING
        except DataError as error:
            said = str(error)
        except (OSError, ValueError, RuntimeError) as error:
            said = printable(f"{root}: {error}")
        if not stop.is_set():
            self._show(replace(self._outlook, data=data, data_said=said))

    @work(exclusive=True, group="model")
    async def _look_at_model(self, name: str, image_size: int) -> None:
        facts = await model_facts(name, image_size)
        at_hand = await asyncio.to_thread(weights_at_hand, facts)
        self._show(replace(self._outlook, facts=facts, at_hand=at_hand))

    @work(exclusive=True, group="past")
    async def _look_at_past(self, config: Config) -> None:
        room, pace = await asyncio.to_thread(_past, config, self._runs_dir)
        self._show(replace(self._outlook, room=room, pace=pace, pace_known=True))

    def _show(self, outlook: Forecast) -> None:
        self._outlook = outlook
        self._draw()
        self.post_message(self.Found(forecast_summary(outlook), problems(outlook)))

    def _draw(self) -> None:
        if self.is_attached:
            width = max(20, self.scrollable_content_region.width - 1)
            colours = palette_for(self.app.current_theme.dark)
            self._text.update(forecast_text(self._outlook, width, colours))


def _past(config: Config, runs_dir: Path) -> tuple[Room | None, Pace | None]:
    return room_on(config.device), pace_of(config, RunList(runs_dir))


def _what_sets_the_pace(config: Config) -> tuple[object, ...]:
    phases = config.phases
    wanted = (bool(phases.head.epochs), phases.head.views, bool(phases.full.epochs))
    return (config.device, config.model.name, config.data.image_size, *wanted)
