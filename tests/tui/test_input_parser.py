"""Terminal input becomes keys and reports; none of it is an error."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events
from textual.message import Message

from tui.terminal import input_parser
from tui.terminal.input_parser import InputParser

KITTY = ["\x1b[38:50;2u", "\x1b[1081:1049:113;1:1;1081u", "\x1b[97;1;55296u", "\x1b[1114112u"]
REPORTS = [
    "\x1b[48;24;80;0;0t",
    "\x1b[?2026;2$y",
    "\x1b[24;80R",
    "\x1b[?62;4c",
    "\x1b]11;rgb:0/0\x07",
]
KEYS = ["\x1b[1;2A", "\x1b[27;5;9~", "\x1b[3$", "\x1bOP", "\x1b", "q", "ж", "\x1b[200~ab\x1b[201~"]
MOUSE = ["\x1b[<0;5;5M", "\x1b[<64;5;5M", "\x1b[M !!", "\x1b[0;5;5M"]
PARTS = st.sampled_from([*"0123456789:;<?[]~uMmtR\x1b\x07\x9b", "99999999999", "٣", "\ufffd", "\0"])
SEQUENCES = st.lists(st.one_of(st.sampled_from([*KITTY, *REPORTS, *KEYS, *MOUSE]), PARTS))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Message]]:
    """Parse pieces of input, with nothing more to come after the last."""

    def parse(*pieces: str, parser: InputParser | None = None) -> list[Message]:
        parser = parser or InputParser()
        found = [event for piece in pieces for event in parser.feed(piece)]
        with monkeypatch.context() as patch:
            patch.setattr("textual._parser.get_time", lambda: float("inf"))
            patch.setattr(input_parser, "monotonic", lambda: float("inf"))
            for _ in range(2):  # the second one for an escape that the first one releases
                found += parser.tick()
        return found

    return parse


def keys(found: list[Message]) -> list[str]:
    assert all(isinstance(event, events.Key) for event in found), found
    return [event.key for event in found if isinstance(event, events.Key)]


@given(st.lists(SEQUENCES.map("".join)))
def test_no_input_is_an_error(pieces: list[str]) -> None:
    parser = InputParser()
    for piece in pieces:
        for event in (*parser.feed(piece), *parser.tick()):
            if isinstance(event, events.Key):
                (event.character or "").encode()  # no surrogate, which can't be drawn
            if isinstance(event, events.Resize):
                assert 0 < event.size.width * event.size.height <= 1_000_000
    *_, last = parser.feed("\x1b\\\x1b[201~\x18  \x1b[97;1;97u")
    assert isinstance(last, events.Key)
    assert last.key == "a"


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [
        ("\x1b[97:65;2;65u", ["A"]),
        ("\x1b[38:50;2u", ["2"]),
        ("\x1b[97;5:1u", ["ctrl+a"]),
        ("\x1b[97;1:3u", []),  # the key is released
        ("\x1b[1;5:2A", ["ctrl+up"]),
        ("\x1b[1089::99;5u", ["ctrl+c"]),
        ("\x1b[1089;5u", ["ctrl+с"]),
        ("\x1b[27;5;9~", ["ctrl+tab"]),
        ("\x1b[0;;128104:8205:128105:8205:128103:8205:128102u", 7),
        ("\x1b[99999999999;1u", []),
        ("\x1b[1114112u", []),
        ("\x1b[55296;1u", []),
        ("\x1b[;;;u", []),
        ("\x1b[1;2;3;4u", []),
        ("\x1b[<0;5", []),
        ("\x1b[<0;5M", []),
        ("\x1b[<0;99999999999;5M", []),
        ("\x1b[48;0;0;0;0t", []),
        ("\x1b[48;99999;99999;1;1t", []),
        ("\x1b[?62;4c", []),
        ("\x1b[8;24;80t", []),
        ("\x1b]11;rgb:1e1e/1e1e/2e2e\x1b\\", []),
        ("\x1b]11;rgb:1e1e/", []),
        ("\x1bP>|kitty(0.32.2)\x1b\\", []),
        ("\x1b_Gi=31;OK\x1b\\", []),
        ("\x1b[3$", ["shift+delete"]),
        ("\x1b[[A", ["f1"]),
        ("\x1bOP", ["f1"]),
        ("\x1b[1;2A", ["shift+up"]),
        ("\x1b", ["escape"]),
        ("\x1bq", ["alt+q"]),
        ("\x1b]", ["right_square_bracket"]),
        ("q", ["q"]),
    ],
)
@pytest.mark.parametrize("split", [False, True], ids=["whole", "in pieces"])
def test_sequences(
    read: Callable[..., list[Message]], sequence: str, expected: list[str] | int, split: bool
) -> None:
    middle = len(sequence) // 2 if split and len(sequence) > 4 else 0
    found = keys(read(sequence[:middle], sequence[middle:]))
    assert (len(found) if isinstance(expected, int) else found) == expected


def test_a_mouse_without_a_size_in_pixels_is_counted_in_cells(
    read: Callable[..., list[Message]],
) -> None:
    resize, down = read("\x1b[48;24;80;0;0t", "\x1b[<0;5;7M")
    assert isinstance(resize, events.Resize)
    assert isinstance(down, events.MouseDown)
    assert (resize.size, down.x, down.y) == ((80, 24), 4, 6)


def test_after_an_error_of_the_parser_the_next_input_is_read(
    monkeypatch: pytest.MonkeyPatch, read: Callable[..., list[Message]]
) -> None:
    def failing(match: re.Match[str]) -> str:
        return match[0]  # as it is: Textual's parser fails on it

    parser = InputParser()
    resize = read("\x1b[48;24;80;240;800t", parser=parser)
    monkeypatch.setattr(parser, "_cleaned", failing)
    *_, key, down = read("\x1b[1114112;1ub\x1b[<0;51;61M", parser=parser)
    assert isinstance(key, events.Key)
    assert isinstance(down, events.MouseDown)
    assert (len(resize), key.key, down.x, down.y) == (1, "b", 5, 6)  # it still counts pixels


def test_the_terminal_tells_where_keys_are(read: Callable[..., list[Message]]) -> None:
    parser = InputParser()
    assert keys(read("\x1b[1081:1049:113;2;1049u", parser=parser)) == ["Й"]
    assert parser.base_keys == {"й": "q", "Й": "Q"}
