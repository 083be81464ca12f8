"""Visible range and cursor of an x axis: zoom, pan and cursor moves, in the unit of the axis."""

from dataclasses import dataclass, replace

_MIN_VISIBLE = 1 / 4000
"""Smallest visible fraction of the axis."""

Window = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Viewport:
    """The visible range of an axis from `low` to `high`, and a cursor on it."""

    low: float
    high: float
    window: Window | None = None
    """The visible range; None shows the whole axis, also while it grows."""
    cursor: float | None = None
    latest: float | None = None
    """Where a cursor enters from the right; by default at the end of the visible range."""

    @property
    def visible(self) -> Window:
        """Return the visible range."""
        return self.window or (self.low, self.high)

    def at(self, fraction: float) -> float:
        """Return the position at a fraction (0 to 1) of the visible range."""
        start, end = self.visible
        return start + min(1.0, max(0.0, fraction)) * (end - start)

    def zoom(self, factor: float, around: float | None = None) -> "Viewport":
        """Multiply the visible range by `factor`; `around`, by default the cursor or else the
        middle, keeps its place on the screen."""
        start, end = self.visible
        whole = self.high - self.low
        size = max(whole * _MIN_VISIBLE, (end - start) * factor)
        if size >= whole:
            return replace(self, window=None)
        center = self.cursor if around is None else around
        center = (start + end) / 2 if center is None else min(end, max(start, center))
        first = center - (center - start) / (end - start) * size if end > start else center
        first = min(max(self.low, first), self.high - size)
        return replace(self, window=(first, first + size))

    def pan(self, fraction: float) -> "Viewport":
        """Move the window by a fraction of its size, at most to an end of the axis."""
        if self.window is None:
            return self
        start, end = self.window
        shift = fraction * (end - start)
        shift = min(max(shift, self.low - start), max(0.0, self.high - end))
        return replace(self, window=(start + shift, end + shift))

    def select(self, one: float, other: float) -> "Viewport":
        """Show the part between two fractions (0 to 1) of the visible range."""
        start, end = sorted((self.at(one), self.at(other)))
        if end - start < (self.high - self.low) * _MIN_VISIBLE:
            return self
        return replace(self, window=(start, end))

    def point(self, fraction: float) -> "Viewport":
        """Put the cursor at a fraction (0 to 1) of the visible range."""
        return replace(self, cursor=self.at(fraction))

    def move_cursor(self, by: int, columns: int) -> "Viewport":
        """Move the cursor `by` columns of a chart with `columns` columns; the window follows it.

        A new cursor enters at the end that it comes from.
        """
        start, end = self.visible
        if self.cursor is None:
            latest = self.high if self.latest is None else self.latest
            return replace(self, cursor=min(end, max(start, latest)) if by < 0 else start)
        target = self.cursor + by * (end - start) / max(1, columns - 1)
        return self.cursor_to(min(max(self.low, target), self.high))

    def cursor_to(self, position: float) -> "Viewport":
        """Put the cursor at a position, and move the window as far as it takes to show it."""
        if self.window is None:
            return replace(self, cursor=position)
        start, end = self.window
        shift = min(0.0, position - start) or max(0.0, position - end)
        return replace(self, cursor=position, window=(start + shift, end + shift))

    def reset(self) -> "Viewport":
        """Show the whole axis, without a cursor."""
        return replace(self, window=None, cursor=None)
