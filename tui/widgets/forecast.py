"""Preview panel of the form for a new run: data, model, memory and duration."""

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

from core.common.detached import run_detached
from core.common.errors import DataError, os_error_text
from core.common.text import printable
from core.config.schema import Config
from core.data.sources import parse_location
from core.demo.config import is_demo
from core.forecast.device_memory import DeviceMemory, device_memory
from core.forecast.forecast import DataSummary, summarize_data
from core.forecast.model_info import model_info, weights_cached
from core.forecast.throughput_history import ThroughputHistory, find_throughput
from core.run.run_list import RunList
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
    """Forecast the run that the form describes, in workers, and show the results as they arrive."""

    BORDER_TITLE = "Preview"

    class Updated(Message):
        """The forecast has changed. `summary` is one line, `problems` are errors by config key."""

        def __init__(self, summary: str, problems: dict[str, str]) -> None:
            super().__init__()
            self.summary = summary
            self.problems = problems

    def __init__(self, runs_dir: Path, id: str) -> None:
        super().__init__(id=id, can_focus=False)
        self._runs_dir = runs_dir
        self._forecast = Forecast()
        self._inputs: dict[str, object] = {}
        """Inputs of the last computation of each part."""
        self._text = Static("", markup=False)
        self._folder = ""
        self._count_canceled = Event()
        """Set to cancel the count of files in progress."""

    def compose(self) -> ComposeResult:
        """Create one scrollable text."""
        yield self._text

    def on_resize(self, event: Resize) -> None:
        """Wrap the text at the new width."""
        self._draw()

    def on_unmount(self) -> None:
        """Cancel a count of files in progress."""
        self._count_canceled.set()

    def update_forecast(self, config: Config | None, folder: str) -> None:
        """Forecast a configuration; None while a field is not valid.

        `folder` is the text of the data folder field.
        """
        self._show(replace(self._forecast, config=config))
        if config is None:
            if folder != self._folder:
                self._count_canceled.set()
                self._inputs.pop("data", None)
                self._show(replace(self._forecast, data=None, data_message=UNUSABLE))
            return
        self._folder = folder
        self._update_data(config)
        if self._is_new("model", (config.model.name, config.data.image_size)):
            self._show(replace(self._forecast, model_info=None))
            self._inspect_model(config.model.name, config.data.image_size)
        if self._is_new("throughput", _throughput_inputs(config)):
            self._show(replace(self._forecast, throughput=None, throughput_known=False))
            self._read_past_runs(config)

    def _is_new(self, part: str, subject: object) -> bool:
        new = self._inputs.get(part) != subject
        self._inputs[part] = subject
        return new

    def _update_data(self, config: Config) -> None:
        root = config.data.root
        data = config.data
        shares = data.val_fraction, data.test_fraction, data.folds
        if not self._is_new("data", (root, shares)):
            return
        self._count_canceled.set()
        self._count_canceled = Event()
        if not root:
            message = NO_FOLDER
        elif is_demo(config) and not Path(root).is_dir():
            message = "the built-in images, generated when the run starts"
        else:
            message = WAITING
            self._inspect_data(root, *shares, self._count_canceled)
        self._show(replace(self._forecast, data=None, data_message=message))

    @work(exclusive=True, group="data")
    async def _inspect_data(
        self, root: str, val: float, test: float, folds: int, canceled: Event
    ) -> None:
        data: DataSummary | None = None
        try:
            data = await run_detached(
                summarize_data, parse_location(root), val, canceled.is_set, test, folds
            )
            message = WAITING
        except DataError as error:
            message = str(error)
        except (OSError, ValueError, RuntimeError) as error:
            message = printable(f"{root}: {os_error_text(error)}")
        if not canceled.is_set():
            self._show(replace(self._forecast, data=data, data_message=message))

    @work(exclusive=True, group="model")
    async def _inspect_model(self, name: str, image_size: int) -> None:
        info = await model_info(name, image_size)
        cached = await asyncio.to_thread(weights_cached, info)
        self._show(replace(self._forecast, model_info=info, weights_cached=cached))

    @work(exclusive=True, group="past")
    async def _read_past_runs(self, config: Config) -> None:
        memory, throughput = await asyncio.to_thread(_read_history, config, self._runs_dir)
        self._show(
            replace(self._forecast, memory=memory, throughput=throughput, throughput_known=True)
        )

    def _show(self, forecast: Forecast) -> None:
        self._forecast = forecast
        self._draw()
        self.post_message(self.Updated(forecast_summary(forecast), problems(forecast)))

    def _draw(self) -> None:
        if self.is_attached:
            width = max(20, self.scrollable_content_region.width - 1)
            palette = palette_for(self.app.current_theme.dark)
            self._text.update(forecast_text(self._forecast, width, palette))


def _read_history(
    config: Config, runs_dir: Path
) -> tuple[DeviceMemory | None, ThroughputHistory | None]:
    return device_memory(config.device), find_throughput(config, RunList(runs_dir))


def _throughput_inputs(config: Config) -> tuple[object, ...]:
    phases = config.phases
    phase_inputs = (bool(phases.head.epochs), phases.head.views, bool(phases.full.epochs))
    return (config.device, config.model.name, config.data.image_size, *phase_inputs)
