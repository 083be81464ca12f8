"""Refresh rates of the screen."""

import pytest

from tests.tui import scripted
from tests.tui.kit import make_app, settle
from tui.app import ConvNextApp
from tui.preferences.refresh_rates import BANDWIDTHS, refresh_rates_for
from tui.screens.run import RunScreen


def test_over_ssh_the_automatic_rates_are_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    assert refresh_rates_for("auto") == BANDWIDTHS["full"]
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 50000 192.0.2.2 22")
    assert refresh_rates_for("auto").tick == 2 * BANDWIDTHS["full"].tick
    assert refresh_rates_for("full") == BANDWIDTHS["full"]
    assert refresh_rates_for("low").tick > refresh_rates_for("half").tick


async def test_charts_are_drawn_every_few_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[bool] = []
    tick = RunScreen.tick

    def recorded(self: RunScreen, now: float, charts: bool) -> None:
        drawn.append(charts)
        tick(self, now, charts)

    app = make_app(scripted.running().source())
    app.rates = refresh_rates_for("low")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        monkeypatch.setattr(RunScreen, "tick", recorded)
        assert isinstance(pilot.app, ConvNextApp)
        for _ in range(20):
            pilot.app.tick()
    assert drawn.count(True) == 2
