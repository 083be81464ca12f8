import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.drivers.headless_driver import HeadlessDriver

from core.events import types as ev
from core.run.state import fold
from tests.tui import scripted
from tests.tui.kit import make_app, press, settle
from tui.preferences.preferences import Preferences
from tui.preferences.settings import Settings
from tui.terminal import osc
from tui.text.milestones import run_title

ENDED = ev.PhaseEnded(phase="full", reason="early stopping", epochs=2, seconds=96.0)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the app sends to the terminal besides the screen."""
    written: list[str] = []

    def write(driver: HeadlessDriver, data: str) -> None:
        if not data.startswith("\x1b]22;"):  # Textual's own: the pointer's shape
            written.append(data)

    monkeypatch.setattr(HeadlessDriver, "write", write)
    yield written


async def ticks(pilot: object) -> None:
    for _ in range(4):
        await settle(pilot)  # type: ignore[arg-type]


async def test_the_terminal_title_shows_the_run_and_its_progress(sent: list[str]) -> None:
    script = scripted.running()
    source = script.source()
    async with make_app(source).run_test(size=(80, 24)) as pilot:
        await ticks(pilot)
        assert sent[0] == osc.PUSH_TITLE
        assert "\x1b]2;● full 3/10 55% animals20\x07" in sent
        before = len(sent)
        await ticks(pilot)
        assert len(sent) == before
        await press(pilot, "escape")
        await ticks(pilot)
        assert sent[-1].startswith("\x1b]2;● full 3/10")  # training continues
    assert sent[-1] == osc.POP_TITLE


@pytest.mark.parametrize(
    ("notify", "sequence"),
    [
        ("bell", "\x07"),
        ("message", "\x1b]9;animals20: phase full ended (early stopping)\x07"),
        ("off", ""),
    ],
)
async def test_the_end_of_a_phase_is_notified_once(
    sent: list[str], notify: str, sequence: str
) -> None:
    script = scripted.running()
    source = script.source()
    preferences = Preferences(Settings(notify=notify, title="off"))
    async with make_app(source, preferences=preferences).run_test(size=(80, 24)) as pilot:
        await ticks(pilot)
        assert "".join(sent) == ""  # phase head had ended before
        script.records.clear()
        script.add(ENDED)
        source.pending = list(script.records)
        await ticks(pilot)
        assert "".join(sent) == sequence
        await ticks(pilot)
        assert "".join(sent) == sequence


async def test_a_key_changes_the_notification(sent: list[str]) -> None:
    app = make_app(scripted.running().source())
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await settle(pilot)
        seen = []
        for _ in range(3):
            await press(pilot, "b")
            seen.append(app.preferences.settings.notify)
        assert seen == ["message", "off", "bell"]


@given(st.text(max_size=200))
def test_names_contain_no_control_sequences(name: str) -> None:
    name = name.replace("\u200d", "")  # a joiner within emoji, harmless
    for made in (osc.set_title(name), osc.desktop_notification(name)):
        inside = made[4:-1]
        assert made.endswith("\x07")
        assert not {unicodedata.category(character) for character in inside} & {"Cc", "Cf", "Cs"}


def test_titles_of_runs_not_in_training() -> None:
    assert run_title(fold(scripted.finished().records), "finished") == "✓ 99.57% animals20"
    assert run_title(fold(scripted.preparing().records), "preparing") == "○ animals20"
