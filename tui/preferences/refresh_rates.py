"""Refresh rates of the screen: fewer updates over a slow connection."""

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RefreshRates:
    """Seconds between updates, and the number of updates per redraw of the charts."""

    tick: float
    ticks_per_chart: int

    def ticks_per(self, seconds: float) -> int:
        """Return the number of updates in this time, at least one."""
        return max(1, round(seconds / self.tick))


BANDWIDTHS = {
    "full": RefreshRates(tick=0.25, ticks_per_chart=4),
    "half": RefreshRates(tick=0.5, ticks_per_chart=4),
    "low": RefreshRates(tick=1.0, ticks_per_chart=10),
}


def refresh_rates_for(bandwidth: str) -> RefreshRates:
    """Return the rates by name; `auto` is half over SSH, full elsewhere."""
    if bandwidth == "auto":
        bandwidth = "half" if os.environ.get("SSH_CONNECTION") else "full"
    return BANDWIDTHS[bandwidth]
