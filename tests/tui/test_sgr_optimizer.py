"""The optimized output has fewer bytes and draws the same on a small emulated terminal."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import Color
from rich.style import Style

from tui.terminal.sgr_optimizer import optimize_sgr

_SEQUENCE = re.compile(r"\x1b\[([0-9;]*)([mH])|(\r)|(\n)|(.)", re.DOTALL)
_COLORS = {"38": 0, "48": 1}
Cell = tuple[str, tuple[str, str, tuple[str, ...]]]


def screen(output: str) -> tuple[dict[tuple[int, int], Cell], tuple[int, int]]:
    """Return the cells with their styles, and the position of the cursor."""
    cells: dict[tuple[int, int], Cell] = {}
    row, column, colors, added = 1, 1, ["", ""], set[str]()
    for codes, kind, back, down, letter in _SEQUENCE.findall(output):
        if kind == "H":
            row, column = map(int, codes.split(";"))
        elif kind == "m":
            numbers = codes.split(";")
            while numbers:
                code = numbers.pop(0)
                if code in ("", "0"):
                    colors, added = ["", ""], set()
                elif code in _COLORS:
                    count = 4 if numbers[0] == "2" else 2
                    colors[_COLORS[code]] = ";".join(numbers[:count])
                    numbers = numbers[count:]
                elif len(code) == 2:
                    base = code[1] if code[1] != "9" else ""
                    colors[0 if code[0] == "3" else 1] = base
                else:
                    added.add(code)
        elif back:
            column = 1
        elif down:
            row += 1
        else:
            visible = added - {"1", "3"} if letter == " " else added
            foreground = "" if letter == " " and not visible else colors[0]
            cells[row, column] = (letter, (foreground, colors[1], tuple(sorted(visible))))
            column += 1
    return cells, (row, column)


_GRAY, _WHITE = Color.from_rgb(16, 20, 24), Color.from_rgb(216, 222, 228)
colors = st.none() | st.sampled_from([_GRAY, _WHITE, Color.from_ansi(203), Color.from_ansi(2)])
styles = st.builds(
    lambda foreground, background, bold, underline: (
        Style.from_color(foreground, background) + Style(bold=bold, underline=underline)
    ),
    colors,
    colors,
    st.booleans(),
    st.booleans(),
)
pieces = st.builds(
    lambda style, text: style.render(text),
    styles,
    st.sampled_from(["loss", " ", "   ", "─╮", "a b "]),
)
moves = st.sampled_from(["\r\n", "\x1b[1;1H", "\x1b[3;2H"])


@given(st.lists(pieces | moves, max_size=12).map("".join))
def test_the_screen_is_identical(output: str) -> None:
    assert screen(optimize_sgr(output)) == screen(output)
    assert len(optimize_sgr(output)) <= len(output)


def test_segments_of_one_style_and_blanks_between_them_are_merged() -> None:
    background = "48;2;16;20;24"
    output = f"\x1b[1;1H\x1b[2;1H\x1b[38;5;2;{background}m│\x1b[0m\x1b[{background}m  \x1b[0m"
    output += f"\x1b[38;5;2;{background}m│\x1b[0m\r\n\x1b[9;9H"
    assert optimize_sgr(output) == f"\x1b[2;1H\x1b[38;5;2;{background}m│  │\x1b[9;9H\x1b[0m"


@pytest.mark.parametrize("other", ["\x1b[?1049l", "\x1b[2J", "\x1b]0;title\x07", "\x1b7"])
def test_other_sequences_keep_their_position_in_the_default_style(other: str) -> None:
    assert optimize_sgr(f"\x1b[41ma{other}b\x1b[0m") == f"\x1b[41ma\x1b[0m{other}\x1b[41mb\x1b[0m"


@pytest.mark.parametrize("end", ["\x1b[22mc\x1b[0m", "", "\x1b[38;9mc\x1b[0m"])
def test_unknown_and_open_styles_are_unchanged(end: str) -> None:
    output = f"\x1b[31ma\x1b[0m\x1b[31mb{end}"
    assert optimize_sgr(output) == output


PICTURES = [
    "\x1b_Gi=7,m=1,f=100;iVBORw0KGgo=\x1b\\\x1b_Gi=7,m=0;AAAA\x1b\\",
    '\x1bP0;0;0q"1;1;2;6#0;2;10;20;30#0!12~-$m\r\n\x1b\\',
    "\x1bPtmux;\x1b\x1b_Gi=7;AAAA\x1b\x1b\\\x1b\\",
]


@pytest.mark.parametrize("data", PICTURES)
def test_image_data_is_unchanged(data: str) -> None:
    assert optimize_sgr(data) == data
    styled = f"\x1b[41ma\x1b[0m\x1b[3;4H{data}\x1b[41mb\x1b[0m"
    assert optimize_sgr(styled) == f"\x1b[41ma\x1b[3;4H\x1b[0m{data}\x1b[41mb\x1b[0m"
    # Even an open style does not split the data.
    assert data in optimize_sgr(f"\x1b[41m{data}b\x1b[0m")
