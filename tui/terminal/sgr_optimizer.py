"""Reduce the bytes that Textual writes by dropping redundant SGR sequences; the screen is
identical.

Textual sets the whole style before each segment and resets it afterwards: seven of ten bytes are
colors. Here only differences from the previous segment are sent.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

_TOKEN = re.compile(
    r"\x1b\[(?P<style>[0-9;]*)m"
    r"|(?P<position>\x1b\[\d+;\d+H)"
    r"|(?P<line>\r\n)"
    r"|(?P<text>[^\x1b\r]+)"
    # Strings (DCS, SOS, PM, APC) hold images: kept whole.
    r"|(?P<other>\x1b[PX^_].*?\x1b\\|\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()]?.|.)",
    re.DOTALL,
)
_ATTRIBUTES = frozenset({"1", "2", "3", "4", "5", "7", "8", "9", "21", "53"})
_INVISIBLE_ON_BLANKS = frozenset({"1", "2", "3"})


class _Style(NamedTuple):
    foreground: str = "39"
    background: str = "49"
    attributes: frozenset[str] = frozenset()


_DEFAULT = _Style()


def optimize_sgr(text: str) -> str:
    """Return terminal output that draws the same; it starts and ends in the default style.

    Output with styles that Textual does not write, or that stay open, is returned unchanged.
    """
    try:
        return "".join(_optimized(text))
    except ValueError:
        return text


def _optimized(text: str) -> Iterator[str]:
    wanted = current = _DEFAULT
    moves = ""
    for token in _TOKEN.finditer(text):
        kind, piece = token.lastgroup, token.group()
        if kind == "style":
            wanted = _apply_sgr(wanted, token["style"])
        elif kind == "position":
            moves = piece  # replaces earlier cursor moves
        elif kind == "line":
            moves += piece
        else:
            target = _DEFAULT if kind == "other" else _visible_style(wanted, current, piece)
            yield moves + _change(current, target) + piece
            current, moves = target, ""
    if wanted != _DEFAULT:
        raise ValueError("output ends in a style other than the default")
    yield moves + _change(current, _DEFAULT)


def _visible_style(wanted: _Style, current: _Style, text: str) -> _Style:
    """Return the style to write a text in: of blanks only the background is visible."""
    if not text.strip(" ") and (wanted.attributes | current.attributes) <= _INVISIBLE_ON_BLANKS:
        return current._replace(background=wanted.background)
    return wanted


@lru_cache(maxsize=4096)
def _apply_sgr(style: _Style, codes: str) -> _Style:
    """Return a style after an SGR sequence; raises ValueError for unknown codes."""
    numbers = iter(codes.split(";"))
    for code in numbers:
        if code in ("", "0"):
            style = _DEFAULT
        elif code in _ATTRIBUTES:
            style = style._replace(attributes=style.attributes | {code})
        elif code in ("38", "48"):
            kind = next(numbers, "")
            rest = [next(numbers, "") for _ in range({"2": 3, "5": 1}.get(kind, 0))]
            if not rest or "" in rest:
                raise ValueError(codes)
            style = _with_color(style, code == "38", ";".join((code, kind, *rest)))
        else:
            style = _with_color(style, _is_foreground(int(code)), code)
    return style


def _with_color(style: _Style, foreground: bool, code: str) -> _Style:
    return style._replace(foreground=code) if foreground else style._replace(background=code)


def _is_foreground(code: int) -> bool:
    if 30 <= code <= 39 or 90 <= code <= 97:
        return True
    if 40 <= code <= 49 or 100 <= code <= 107:
        return False
    raise ValueError(code)


@lru_cache(maxsize=4096)
def _change(current: _Style, target: _Style) -> str:
    """Return the shortest sequence from one style to another."""
    if current == target:
        return ""
    if target == _DEFAULT:
        return "\x1b[0m"
    codes = []
    if current.attributes - target.attributes:
        current, codes = _DEFAULT, ["0"]
    codes += sorted(target.attributes - current.attributes)
    codes += [new for old, new in zip(current[:2], target[:2], strict=True) if old != new]
    return f"\x1b[{';'.join(codes)}m"
