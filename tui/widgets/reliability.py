"""Reliability diagram as text: accuracy of predictions by confidence."""

import math
from collections.abc import Sequence

from rich.text import Text

from core.analysis.class_metrics import CalibrationBar
from tui.preferences.palettes import DARK, Palette, rgb

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_MARK = "━"
_AXIS = 5
LEGEND = f"█ accuracy   {_MARK} confidence"


def draw(bars: Sequence[CalibrationBar], width: int, height: int, palette: Palette = DARK) -> Text:
    """Return the diagram with axes as `height` lines of at most `width` cells; without bars if
    that is too small."""
    column = min(7, (width - _AXIS) // max(1, len(bars)))
    rows = height - 1
    if not bars or column < 1 or rows < 2:
        return Text("too small" if bars and width >= 9 and height >= 1 else "")
    lines = [_row(bars, row, rows, column, palette) for row in range(rows)]
    return Text("\n", no_wrap=True).join([*lines, _axis(bars, column)])


def _row(
    bars: Sequence[CalibrationBar], row: int, rows: int, column: int, palette: Palette
) -> Text:
    """Return a row of the diagram, counted from the top."""
    label = {0: "100%", rows // 2: " 50%" if rows >= 5 and rows % 2 else ""}.get(row, "")
    line = Text(f"{label:>{_AXIS}}", style="dim", no_wrap=True)
    below = rows - 1 - row
    for bar in bars:
        gap = " " if column > 2 else ""
        filled = column - len(gap)
        if bar.count and _row_of(bar.confidence, rows) == below:
            line.append(_MARK * filled, style=f"bold {rgb(palette.val)}")
        elif bar.count:
            part = min(8, max(0, round(8 * (bar.accuracy * rows - below))))
            line.append(_EIGHTHS[part] * filled, style=rgb(palette.train))
        else:
            line.append(" " * filled)
        line.append(gap)
    return line


def _row_of(share: float, rows: int) -> int:
    return min(rows - 1, max(0, math.ceil(share * rows) - 1))


def _axis(bars: Sequence[CalibrationBar], column: int) -> Text:
    """Return the confidence axis with as many labels as fit."""
    line = ""
    for number, bar in enumerate(bars):
        at = number * column
        last = number == len(bars) - 1
        label = f"{100 * bar.low:.0f}"
        if len(line) <= at - (number > 0) and not last:
            line = line.ljust(at) + label
    end = len(bars) * column
    return Text(f"{'conf':>{_AXIS - 1}} {line.ljust(end - 5)[: end - 5]}100%", style="dim")
