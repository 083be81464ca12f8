import io
from pathlib import Path

from core.events import types as ev
from core.events.record import Record
from core.events.types import Event
from core.run.folder import RunFolder
from core.run.state import RunState
from tui.runtime.reporters import (
    JsonReporter,
    PlainReporter,
    Reporter,
    RichReporter,
    make_reporter,
    run_folder_line,
)

START = 1_700_000_000.0


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def progress(step: int, stage: str = "train") -> ev.Progress:
    return ev.Progress(
        phase="head",
        epoch=1,
        stage=stage,
        step=step,
        steps=100,
        global_step=step,
        loss=0.5,
        top1=0.75,
        lr=0.001,
        seconds=float(step),
        images_per_second=640.0,
    )


def play(view: Reporter, events: list[tuple[float, Event]]) -> None:
    state = RunState()
    for seq, (seconds, event) in enumerate(events, 1):
        record = Record(seq, START + seconds, event)
        state.apply(record)
        view.show(record, state)
    view.close()


def started() -> list[tuple[float, Event]]:
    config = {"phases": {"head": {"epochs": 3}, "full": {"epochs": 0}}}
    return [(0.0, ev.RunStarted(run_id="20260101-run", name="run", config=config))]


def test_plain_tells_of_progress_at_most_every_thirty_seconds() -> None:
    out = io.StringIO()
    play(PlainReporter(out), started() + [(float(s), progress(s)) for s in range(1, 101)])
    lines = out.getvalue().splitlines()
    assert len(lines) == 1 + 3
    assert "head epoch 1 of at most 3, train step 31 of 100" in lines[1]
    assert "loss 0.5000, top-1 75.00%, 640 img/s" in lines[1]


def test_plain_keeps_talking_when_the_clock_is_set_back() -> None:
    out = io.StringIO()
    events = [*started(), (1.0, progress(1)), (-9000.0, progress(2)), (-8999.0, progress(3))]
    play(PlainReporter(out), events)
    assert len(out.getvalue().splitlines()) == 2


def test_plain_shows_names_from_outside_without_control_codes() -> None:
    out = io.StringIO()
    warning = ev.Warned(code="x", message="bad", files=["a\x1b[2J[red]\n\u202e.jpg"])
    play(PlainReporter(out), [(0.0, warning)])
    text = out.getvalue()
    assert text.count("\n") == 1
    assert "[red]" in text
    assert all(c.isprintable() for c in text.rstrip("\n"))


def test_rich_shows_bars_and_markup_as_text() -> None:
    out = Terminal()
    warning = ev.Warned(code="x", message="bad", files=["[red]x[/].jpg"])
    play(RichReporter(out), [*started(), (1.0, progress(1)), (2.0, warning), (3.0, progress(50))])
    assert "[red]x[/].jpg" in out.getvalue()


def test_json_is_one_line_an_event_and_nothing_else() -> None:
    out = io.StringIO()
    events = [*started(), (1.0, progress(1))]
    play(JsonReporter(out), events)
    lines = out.getvalue().splitlines()
    assert Record.from_json(lines[0]).event == events[0][1]
    assert len(lines) == 2


def test_auto_is_rich_on_a_terminal_only() -> None:
    on_terminal = make_reporter("auto", Terminal())
    assert isinstance(on_terminal, RichReporter)
    on_terminal.close()
    assert isinstance(make_reporter("auto", io.StringIO()), PlainReporter)


def test_the_last_line_names_the_weights_when_there_are_any(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert "best" not in run_folder_line(folder).replace(str(tmp_path), "")
    folder.checkpoints.mkdir()
    (folder.checkpoints / "best.pt").write_bytes(b"x")
    assert run_folder_line(folder).endswith("checkpoints/best.pt")
