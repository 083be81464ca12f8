"""Classes of a screen by the size of the terminal, set before the screen is laid out."""

from collections.abc import Iterator, Sequence

from textual.geometry import Size
from textual.screen import Screen

_Breakpoints = Sequence[tuple[int, str]]


def set_size_classes(screen: Screen[None], size: Size) -> None:
    """Set the classes of the app's breakpoints for `size`.

    Textual itself sets them after the layout, and lays the screen out again when it is idle: for
    an app that is busy drawing, that is seconds later.
    """
    app = screen.app
    across = _classes(app.HORIZONTAL_BREAKPOINTS or (), size.width)
    down = _classes(app.VERTICAL_BREAKPOINTS or (), size.height)
    screen.update_classes({**dict(across), **dict(down)}, animate=False)


def _classes(breakpoints: _Breakpoints, cells: int) -> Iterator[tuple[str, bool]]:
    reached = max((least for least, _ in breakpoints if least <= cells), default=None)
    for least, name in breakpoints:
        yield name, least == reached
