"""Every test sees the same terminal: no colour switches, one time zone, no blinking cursor."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest
from textual import _wait
from textual.widgets import Input

from core.config.load import load_config
from core.config.schema import Config
from core.forecast.device_memory import DeviceMemory
from core.forecast.model_info import ModelInfo
from core.forecast.model_list import ListedModel, ListedModels
from tests.tui.kit import Starter

# Textual's pilot sleeps in steps of this many seconds until the process is idle: with its own 0.02
# tests of the app wait twice as long as they compute.
_wait.SLEEP_GRANULARITY = 0.005
_wait.SLEEP_IDLE = _wait.SLEEP_GRANULARITY / 20

MODELS = ListedModels(
    (
        ListedModel("convnext_atto.d2_in1k", 3_373_601),
        ListedModel("convnext_tiny.fb_in1k", 27_820_897),
        ListedModel("convnext_tiny.in12k_ft_in1k", 27_820_897),
    )
)


@pytest.fixture(autouse=True)
def same_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("NO_COLOR", "TEXTUAL_THEME", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    with monkeypatch.context() as patch:
        patch.setattr(Input.cursor_blink, "_default", False)
        yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(autouse=True)
def same_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The form for a new run sees a known network and device, without a process for torch."""

    async def facts(name: str, image_size: int) -> ModelInfo:
        return ModelInfo(27_820_897, 768, 109_155_808, hub_id=f"timm/{name}")

    monkeypatch.setattr("tui.widgets.forecast.model_info", facts)
    monkeypatch.setattr("tui.widgets.forecast.weights_cached", lambda facts: False)

    async def models() -> ListedModels:
        return MODELS

    monkeypatch.setattr("core.forecast.model_list._probe", models)
    monkeypatch.setattr("tui.dialogs.model.weights_cached", lambda model: "tiny" in model.name)
    monkeypatch.setattr("tui.screens.new_run._TYPING_PAUSE", 0.001)
    room = DeviceMemory("RAM", total=25_000_000_000, free=20_000_000_000)
    monkeypatch.setattr("tui.widgets.forecast.device_memory", lambda device: room)


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's configuration without its preset and its pictures."""

    def config(overrides: Iterable[str] = (), values: Mapping[str, Any] = {}) -> Config:
        return load_config("default", overrides, {"data.root": "the demo", **values})

    monkeypatch.setattr("core.demo.config.demo_config", config)


@pytest.fixture
def starter() -> Starter:
    return Starter()
