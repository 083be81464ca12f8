"""How often the screen is brought up to date: a slow link gets less."""

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rates:
    """Seconds between two looks at the run, and how many of them go by until charts are drawn."""

    tick: float
    ticks_a_chart: int

    def ticks_in(self, seconds: float) -> int:
        """Return how many looks there are in this time, at least one."""
        return max(1, round(seconds / self.tick))


BANDWIDTHS = {
    "full": Rates(tick=0.25, ticks_a_chart=4),
    "half": Rates(tick=0.5, ticks_a_chart=4),
    "low": Rates(tick=1.0, ticks_a_chart=10),
}


def rates_for(bandwidth: str) -> Rates:
    """Return the rates by name; `auto` is half of them over SSH, all of them elsewhere."""
    if bandwidth == "auto":
        bandwidth = "half" if os.environ.get("SSH_CONNECTION") else "full"
    return BANDWIDTHS[bandwidth]
