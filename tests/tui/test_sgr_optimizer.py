"""Fewer bytes, the same picture: both are put on a small terminal of our own and compared."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import Color
from rich.style import Style

from tui.terminal.sgr_optimizer import optimize_sgr

_SEQUENCE = re.compile(r"\x1b\[([0-9;]*)([mH])|(\r)|(\n)|(.)", re.DOTALL)
_COLOURS = {"38": 0, "48": 1}
Cell = tuple[str, tuple[str, str, tuple[str, ...]]]


def picture(output: str) -> tuple[dict[tuple[int, int], Cell], tuple[int, int]]:
    """What stands where in which style, and where the cursor is."""
    cells: dict[tuple[int, int], Cell] = {}
    row, column, colours, added = 1, 1, ["", ""], set[str]()
    for codes, kind, back, down, letter in _SEQUENCE.findall(output):
        if kind == "H":
            row, column = map(int, codes.split(";"))
        elif kind == "m":
            numbers = codes.split(";")
            while numbers:
                code = numbers.pop(0)
                if code in ("", "0"):
                    colours, added = ["", ""], set()
                elif code in _COLOURS:
                    count = 4 if numbers[0] == "2" else 2
                    colours[_COLOURS[code]] = ";".join(numbers[:count])
                    numbers = numbers[count:]
                elif len(code) == 2:
                    base = code[1] if code[1] != "9" else ""
                    colours[0 if code[0] == "3" else 1] = base
                else:
                    added.add(code)
        elif back:
            column = 1
        elif down:
            row += 1
        else:
            seen = added - {"1", "3"} if letter == " " else added
            ink = "" if letter == " " and not seen else colours[0]
            cells[row, column] = (letter, (ink, colours[1], tuple(sorted(seen))))
            column += 1
    return cells, (row, column)


_GREY, _WHITE = Color.from_rgb(16, 20, 24), Color.from_rgb(216, 222, 228)
colours = st.none() | st.sampled_from([_GREY, _WHITE, Color.from_ansi(203), Color.from_ansi(2)])
styles = st.builds(
    lambda ink, paper, bold, underline: (
        Style.from_color(ink, paper) + Style(bold=bold, underline=underline)
    ),
    colours,
    colours,
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
def test_it_draws_the_same(output: str) -> None:
    assert picture(optimize_sgr(output)) == picture(output)
    assert len(optimize_sgr(output)) <= len(output)


def test_pieces_of_one_style_and_the_blanks_between_them_are_sent_as_one() -> None:
    paper = "48;2;16;20;24"
    output = f"\x1b[1;1H\x1b[2;1H\x1b[38;5;2;{paper}m│\x1b[0m\x1b[{paper}m  \x1b[0m"
    output += f"\x1b[38;5;2;{paper}m│\x1b[0m\r\n\x1b[9;9H"
    assert optimize_sgr(output) == f"\x1b[2;1H\x1b[38;5;2;{paper}m│  │\x1b[9;9H\x1b[0m"


@pytest.mark.parametrize("other", ["\x1b[?1049l", "\x1b[2J", "\x1b]0;title\x07", "\x1b7"])
def test_other_sequences_come_in_their_place_and_in_the_plain_style(other: str) -> None:
    assert optimize_sgr(f"\x1b[41ma{other}b\x1b[0m") == f"\x1b[41ma\x1b[0m{other}\x1b[41mb\x1b[0m"


@pytest.mark.parametrize("end", ["\x1b[22mc\x1b[0m", "", "\x1b[38;9mc\x1b[0m"])
def test_styles_that_are_not_known_or_left_open_are_left_alone(end: str) -> None:
    output = f"\x1b[31ma\x1b[0m\x1b[31mb{end}"
    assert optimize_sgr(output) == output


PICTURES = [
    "\x1b_Gi=7,m=1,f=100;iVBORw0KGgo=\x1b\\\x1b_Gi=7,m=0;AAAA\x1b\\",
    '\x1bP0;0;0q"1;1;2;6#0;2;10;20;30#0!12~-$m\r\n\x1b\\',
    "\x1bPtmux;\x1b\x1b_Gi=7;AAAA\x1b\x1b\\\x1b\\",
]


@pytest.mark.parametrize("data", PICTURES)
def test_pictures_pass_unchanged(data: str) -> None:
    assert optimize_sgr(data) == data
    styled = f"\x1b[41ma\x1b[0m\x1b[3;4H{data}\x1b[41mb\x1b[0m"
    assert optimize_sgr(styled) == f"\x1b[41ma\x1b[3;4H\x1b[0m{data}\x1b[41mb\x1b[0m"
    # Not even a style that is left open gets between its beginning and its end.
    assert data in optimize_sgr(f"\x1b[41m{data}b\x1b[0m")
