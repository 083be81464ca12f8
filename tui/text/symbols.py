"""Symbols of a run's status, and sparklines."""

import math

SYMBOLS = {
    "preparing": "○",
    "running": "●",
    "paused": "‖",
    "finished": "✓",
    "stopped": "■",
    "failed": "✗",
    "pruned": "⊘",
    "interrupted": "!",
    "unreadable": "?",
    "waiting": "·",
}


def sparkline(values: list[float], width: int) -> str:
    """Return the last `width` numbers as small bars, × for those that are not finite."""
    shown = values[-width:]
    finite = [value for value in shown if math.isfinite(value)]
    if not finite:
        return "×" * len(shown)
    low, high = min(finite), max(finite)
    span = high - low
    if not 0 < span < math.inf:
        return "".join("▁" if math.isfinite(value) else "×" for value in shown)
    return "".join(
        "▁▂▃▄▅▆▇█"[round(7 * ((value - low) / span))] if math.isfinite(value) else "×"
        for value in shown
    )
