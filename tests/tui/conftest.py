"""Every test sees the same terminal: no colour switches, one time zone, no blinking cursor."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest
from textual.widgets import Input

from core.config import Config
from core.config_io import load_config
from tests.tui.kit import Starter


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


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's configuration without its preset and its pictures."""

    def config(overrides: Iterable[str] = (), values: Mapping[str, Any] = {}) -> Config:
        return load_config("default", overrides, {"data.root": "the demo", **values})

    monkeypatch.setattr("core.demo_run.demo_config", config)


@pytest.fixture
def starter() -> Starter:
    return Starter()
