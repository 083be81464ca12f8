"""Graphics mode of a terminal, chosen without querying it."""

import io
import subprocess
import sys

import pytest

from tests.tui.command import environment
from tui.terminal import graphics


@pytest.mark.parametrize(
    ("terminal", "expected"),
    [
        ({}, "half-blocks"),
        ({"TERM": "xterm-256color"}, "half-blocks"),
        ({"TERM": "linux"}, "half-blocks"),
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "sixel"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "sixel"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "foot-extra"}, "sixel"),
        ({"TERM": "mlterm"}, "sixel"),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"}, "half-blocks"),
        ({"TERM": "screen", "TERM_PROGRAM": "WezTerm"}, "half-blocks"),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux"}, "half-blocks"),
        ({"TERM": "foot", "STY": "1.pts"}, "half-blocks"),
        ({"TERM": "xterm-kitty", "NO_COLOR": "1"}, "half-blocks"),
    ],
)
def test_the_mode_follows_from_the_environment(terminal: dict[str, str], expected: str) -> None:
    assert graphics.choose_mode(terminal) == expected
    assert graphics.choose_mode(terminal, "sixel") == "sixel"
    assert graphics.choose_mode(terminal, "half-blocks") == "half-blocks"
    assert graphics.choose_mode(terminal, "unknown") == expected


def test_sixels_need_the_cell_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphics, "cell_pixels", lambda: None)
    assert graphics.usable_mode("sixel") == "half-blocks"
    assert graphics.usable_mode("kitty") == "kitty"
    monkeypatch.setattr(graphics, "cell_pixels", lambda: (9, 18))
    assert graphics.usable_mode("sixel") == "sixel"


def test_output_other_than_a_terminal_has_no_cell_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "__stdout__", io.StringIO())
    assert graphics.cell_pixels() is None
    monkeypatch.setattr(sys, "__stdout__", None)
    assert graphics.cell_pixels() is None


ON_A_TERMINAL = """
import fcntl, os, pty, struct, sys, termios
main, terminal = pty.openpty()
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 720, 432))
sys.__stdout__ = os.fdopen(terminal, "w")
from tui.terminal import graphics
from tui.widgets.image_factory import make_image_widget
assert graphics.cell_pixels() == (9, 18)
for kind in ("half-blocks", "kitty", "sixel"):
    make_image_widget(kind)
assert sys.__stdout__.fileno() == terminal
from textual_image._terminal import get_cell_size
assert get_cell_size() == (9, 18)
assert "TEXTUAL_CELL_WIDTH" not in os.environ
os.set_blocking(main, False)
try:
    print("query:", os.read(main, 100))
except BlockingIOError:
    print("no query")
"""


def test_the_terminal_is_not_queried() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ON_A_TERMINAL],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("no query\n", "")


def test_image_libraries_are_imported_on_first_use() -> None:
    code = "import sys, tui.tabs.images; assert not {'textual_image', 'PIL'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, env=environment(), timeout=60)
