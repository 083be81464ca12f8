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
    r"|(?P<place>\x1b\[\d+;\d+H)"
    r"|(?P<line>\r\n)"
    r"|(?P<text>[^\x1b\r]+)"
    # Strings (DCS, SOS, PM, APC) hold images: kept whole.
    r"|(?P<other>\x1b[PX^_].*?\x1b\\|\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()]?.|.)",
    re.DOTALL,
)
_ADDED = frozenset({"1", "2", "3", "4", "5", "7", "8", "9", "21", "53"})
_UNSEEN_ON_BLANKS = frozenset({"1", "2", "3"})


class _Style(NamedTuple):
    ink: str = "39"
    paper: str = "49"
    added: frozenset[str] = frozenset()


_PLAIN = _Style()


def optimize_sgr(text: str) -> str:
    """Return terminal output that draws the same; it starts and ends in the default style.

    Output with styles that Textual does not write, or that stay open, is returned unchanged.
    """
    try:
        return "".join(_fewer(text))
    except ValueError:
        return text


def _fewer(text: str) -> Iterator[str]:
    wanted = there = _PLAIN
    moves = ""
    for token in _TOKEN.finditer(text):
        kind, piece = token.lastgroup, token.group()
        if kind == "style":
            wanted = _styled(wanted, token["style"])
        elif kind == "place":
            moves = piece  # whatever moved the cursor before
        elif kind == "line":
            moves += piece
        else:
            target = _PLAIN if kind == "other" else _enough(wanted, there, piece)
            yield moves + _change(there, target) + piece
            there, moves = target, ""
    if wanted != _PLAIN:
        raise ValueError("a style is left for what is written next")
    yield moves + _change(there, _PLAIN)


def _enough(wanted: _Style, there: _Style, text: str) -> _Style:
    """Return the style in which to write a text: for blanks only the background matters."""
    if not text.strip(" ") and (wanted.added | there.added) <= _UNSEEN_ON_BLANKS:
        return there._replace(paper=wanted.paper)
    return wanted


@lru_cache(maxsize=4096)
def _styled(style: _Style, codes: str) -> _Style:
    """Return a style after an SGR sequence; raises ValueError for unknown codes."""
    numbers = iter(codes.split(";"))
    for code in numbers:
        if code in ("", "0"):
            style = _PLAIN
        elif code in _ADDED:
            style = style._replace(added=style.added | {code})
        elif code in ("38", "48"):
            kind = next(numbers, "")
            rest = [next(numbers, "") for _ in range({"2": 3, "5": 1}.get(kind, 0))]
            if not rest or "" in rest:
                raise ValueError(codes)
            style = _coloured(style, code == "38", ";".join((code, kind, *rest)))
        else:
            style = _coloured(style, _is_ink(int(code)), code)
    return style


def _coloured(style: _Style, ink: bool, code: str) -> _Style:
    return style._replace(ink=code) if ink else style._replace(paper=code)


def _is_ink(code: int) -> bool:
    if 30 <= code <= 39 or 90 <= code <= 97:
        return True
    if 40 <= code <= 49 or 100 <= code <= 107:
        return False
    raise ValueError(code)


@lru_cache(maxsize=4096)
def _change(there: _Style, target: _Style) -> str:
    """Return the shortest sequence from one style to another."""
    if there == target:
        return ""
    if target == _PLAIN:
        return "\x1b[0m"
    codes = []
    if there.added - target.added:
        there, codes = _PLAIN, ["0"]
    codes += sorted(target.added - there.added)
    codes += [new for old, new in zip(there[:2], target[:2], strict=True) if old != new]
    return f"\x1b[{';'.join(codes)}m"
