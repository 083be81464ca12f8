"""Canvas of cells with 2 x 4 dots each, for curves in the terminal.

Dots count from the top left corner; a dot has its center at half of its size. Whole characters are
drawn where no dot is, so text never hides a curve.
"""

import os
from collections.abc import Callable, Iterable
from itertools import groupby
from math import ceil, floor, isfinite

from rich.style import Style
from rich.text import Text

from tui.preferences.palettes import Color, rgb

DOTS_ACROSS, DOTS_DOWN = 2, 4
_BRAILLE = 0x2800
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bit of a braille character by row and column of the dot."""
_QUADRANTS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"
_ASCII = " '.:"

Point = tuple[float, float]
_Add = Callable[[int, float, float], None]


def braille(bits: int) -> str:
    """Return the braille character with these dots."""
    return chr(_BRAILLE + bits)


def quadrants(bits: int) -> str:
    """Return the block character whose quarters have at least one of the dots."""
    parts = (0x01 | 0x02, 0x08 | 0x10, 0x04 | 0x40, 0x20 | 0x80)
    return _QUADRANTS[sum(1 << n for n, part in enumerate(parts) if bits & part)]


def ascii_dots(bits: int) -> str:
    """Return the ASCII character that shows whether the upper and the lower half have dots."""
    return _ASCII[bool(bits & 0x1B) + 2 * bool(bits & 0xE4)]


def shade(bits: int) -> str:
    """Return the character of a band where quarters of cells are drawn."""
    return "░"


def hatching(bits: int) -> str:
    """Return the ASCII character of a band."""
    return "/"


GLYPHS = {"braille": braille, "blocks": quadrants, "ascii": ascii_dots}
"""How the dots of a cell become a character, by the name of the setting."""
BAND_GLYPHS = {"braille": braille, "blocks": shade, "ascii": hatching}
"""How the dots of a cell of a band become a character."""


def glyphs_for(setting: str) -> str:
    """Return the name of the glyphs for the setting `dots`: the Linux console has no braille."""
    if setting != "auto":
        return setting
    return "ascii" if os.environ.get("TERM") == "linux" else "braille"


class Canvas:
    """A grid of `width` x `height` cells."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._dots: dict[tuple[int, int], int] = {}
        self._dot_colors: dict[tuple[int, int], Color] = {}
        self._bands: dict[tuple[int, int], tuple[int, Color]] = {}
        """Dots and color of bands, which are only seen in cells without other dots and texts."""
        self._texts: dict[tuple[int, int], tuple[str, Color | None]] = {}

    def dot(self, x: int, y: int, color: Color) -> None:
        """Set the dot in column `x` and row `y` of dots; others than those of the canvas are
        left out. In a cell of another color, only the new dot remains."""
        column, row = x // DOTS_ACROSS, y // DOTS_DOWN
        if 0 <= column < self.width and 0 <= row < self.height:
            cell = row, column
            bit = _BITS[y % DOTS_DOWN][x % DOTS_ACROSS]
            # A cell has one color: dots of another curve would look like this one's.
            others = self._dots.get(cell, 0) if self._dot_colors.get(cell) == color else 0
            self._dots[cell] = others | bit
            self._dot_colors[cell] = color

    def line(self, points: Iterable[Point], color: Color) -> None:
        """Draw a line through points (in dots); a point that is not finite interrupts it.

        Every dot is at most half a dot from the line, and neighbors touch.
        """
        for column, (low, high) in sorted(columns_of(points, self.width * DOTS_ACROSS).items()):
            for row in rows_of(low, high, self.height * DOTS_DOWN):
                self.dot(column, row, color)

    def band(self, low: Iterable[Point], high: Iterable[Point], color: Color) -> None:
        """Draw the area between two lines (in dots) below everything else: both edges in every
        second column, and single dots between them. Curves are unbroken lines, so a band differs
        from them without color. `high` has the higher values, so it is nearer to the top.

        Cells of several bands take turns, so that all their colors are seen.
        """
        columns, rows = self.width * DOTS_ACROSS, self.height * DOTS_DOWN
        upper, lower = columns_of(high, columns), columns_of(low, columns)
        own: dict[tuple[int, int], int] = {}
        for x in range(0, columns, 2):
            if x not in upper or x not in lower:
                continue
            top, bottom = upper[x][0], lower[x][1]
            inside = rows_of(top, bottom, rows)
            for y in inside:
                is_edge = (y == inside[0] and top >= 0) or (y == inside[-1] and bottom <= rows)
                if is_edge or y % DOTS_DOWN == x // DOTS_ACROSS % 2 * 2:
                    cell = y // DOTS_DOWN, x // DOTS_ACROSS
                    own[cell] = own.get(cell, 0) | _BITS[y % DOTS_DOWN][x % DOTS_ACROSS]
        for (row, column), bits in own.items():
            if (row, column) not in self._bands or (row + column) % 2:
                self._bands[row, column] = bits, color

    def points(self, points: Iterable[Point], color: Color) -> None:
        """Draw a single dot at each point."""
        for x, y in points:
            if isfinite(x) and isfinite(y):
                self.dot(floor(x), floor(y), color)

    def markers(self, points: Iterable[Point], color: Color) -> None:
        """Draw a square of 2 x 2 dots at each point, in the cell column of the point."""
        for x, y in points:
            if isfinite(x) and isfinite(y):
                left, top = floor(x) // DOTS_ACROSS * DOTS_ACROSS, round(y) - 1
                for column in (left, left + 1):
                    for row in (top, top + 1):
                        if 0 <= row < self.height * DOTS_DOWN:
                            self.dot(column, row, color)

    def text(self, column: int, row: int, text: str, color: Color | None = None) -> None:
        """Write characters from a cell on, where no dot and no other character is."""
        for offset, character in enumerate(text):
            cell = row, column + offset
            if 0 <= row < self.height and 0 <= cell[1] < self.width:
                self._texts.setdefault(cell, (character, color))

    def overwrite(self, column: int, row: int, text: str, color: Color | None = None) -> None:
        """Write characters from a cell on, over dots and other characters."""
        for offset, character in enumerate(text):
            cell = row, column + offset
            if 0 <= row < self.height and 0 <= cell[1] < self.width:
                self._texts[cell] = character, color
                self._dots.pop(cell, None)

    def is_free(self, column: int, row: int, cells: int) -> bool:
        """Return whether neither a dot nor a character is in these cells."""
        return all(
            (row, column + n) not in self._texts and (row, column + n) not in self._dots
            for n in range(cells)
        )

    def rows(self, glyphs: str = "braille") -> list[Text]:
        """Return the rows as text; `glyphs` is one of GLYPHS."""
        return [self._row(row, glyphs) for row in range(self.height)]

    def _row(self, row: int, glyphs: str) -> Text:
        text = Text(no_wrap=True)
        cells = (self._cell(row, column, glyphs) for column in range(self.width))
        for color, run in groupby(cells, key=lambda cell: cell[1]):
            text.append("".join(character for character, _ in run), _style(color))
        return text

    def _cell(self, row: int, column: int, glyphs: str) -> tuple[str, Color | None]:
        cell = row, column
        if bits := self._dots.get(cell, 0):
            return GLYPHS[glyphs](bits), self._dot_colors[cell]
        if cell not in self._texts and cell in self._bands:
            bits, color = self._bands[cell]
            return BAND_GLYPHS[glyphs](bits), color
        return self._texts.get(cell, (" ", None))


def columns_of(points: Iterable[Point], columns: int) -> dict[int, tuple[float, float]]:
    """Return the lowest and highest y of a polyline in each column of dots that it crosses."""
    spans: dict[int, tuple[float, float]] = {}

    def add(column: int, low: float, high: float) -> None:
        if 0 <= column < columns:
            known = spans.get(column)
            spans[column] = (min(low, known[0]), max(high, known[1])) if known else (low, high)

    before: Point | None = None
    for x, y in points:
        if not (isfinite(x) and isfinite(y)):
            before = None
            continue
        if before is None:
            add(floor(x), y, y)
        elif x >= before[0]:
            _add_segment(add, before, (x, y), columns)
        before = x, y
    return spans


def _add_segment(add: _Add, start: Point, end: Point, columns: int) -> None:
    (x0, y0), (x1, y1) = start, end
    first, last = floor(x0), floor(x1)
    if first == last:
        add(first, min(y0, y1), max(y0, y1))
        return
    slope = (y1 - y0) / (x1 - x0)
    for column in range(max(first, 0), min(last, columns - 1) + 1):
        left = y0 if column == first else y0 + (column - x0) * slope
        right = y1 if column == last else y0 + (column + 1 - x0) * slope
        add(column, min(left, right), max(left, right))


def rows_of(low: float, high: float, rows: int) -> range:
    """Return the rows of dots whose centers are between two positions, at least the nearest one;
    none if all of it is outside."""
    if high < 0 or low > rows:
        return range(0)
    first, last = max(0, ceil(low - 0.5)), min(rows - 1, floor(high - 0.5))
    if first <= last:
        return range(first, last + 1)
    nearest = min(rows - 1, max(0, floor((max(low, 0) + min(high, rows)) / 2)))
    return range(nearest, nearest + 1)


def _style(color: Color | None) -> Style:
    return Style(color=rgb(color)) if color else Style()
