"""Findings and verdict, as the app, the plain log and `show` present them."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from textual.widgets import Static

from core.events import types as ev
from core.events.record import Record
from core.run.state import RunState
from tests.core.test_findings import BAD
from tests.tui import scripted
from tests.tui.command import run
from tests.tui.disk import write_run
from tests.tui.kit import make_app, press, settle, text
from tui.runtime.reporters import PlainReporter

EVENTS, _, TEXT = BAD["overfitting"]


def records(name: str = "overfitting") -> list[Record]:
    return [Record(seq, scripted.START + seq, event) for seq, event in enumerate(BAD[name][0], 1)]


@pytest.mark.parametrize("size", [(80, 24), (140, 45)])
async def test_the_run_screen_shows_the_verdict_where_there_is_room(size: tuple[int, int]) -> None:
    app = make_app(scripted.ScriptedSource(records(), live=False))
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await settle(pilot)
        notice = pilot.app.screen.query_one("#notice", Static)
        lines = text(pilot, "#notice").split("\n")
        assert lines[0].startswith("overfitting since full epoch 3: val loss 0.6000")
        if size[1] < 30:
            assert len(lines) == notice.size.height == 1
            assert lines[0].endswith("(5: findings)")
        else:
            assert len(lines) == notice.size.height == 2
            assert lines[1].startswith("more data or stronger augmentation is likely to help")
        await press(pilot, "5")
        shown = text(pilot, "#findings")
        assert TEXT in " ".join(shown.split())
        assert "more data or stronger augmentation" in shown


async def test_a_run_without_findings_has_no_line_for_them() -> None:
    app = make_app(scripted.Script().prepare().phase("head").source())
    async with app.run_test(size=(140, 45)) as pilot:
        await settle(pilot)
        assert text(pilot, "#notice") == ""
        await press(pilot, "5")
        assert not pilot.app.screen.query_one("#findings").display


def test_the_plain_log_warns_once_and_ends_with_the_verdict() -> None:
    out, state = io.StringIO(), RunState()
    reporter = PlainReporter(out)
    for record in records("full below head and overfitting"):
        state.apply(record)
        reporter.show(record, state)
    lines = [line.partition("  ")[2] for line in out.getvalue().splitlines()]
    warnings = [line for line in lines if line.startswith("warning: ")]
    assert [line.split()[1] for line in warnings] == ["overfitting", "phase"]
    assert "less than phase head with" in warnings[1]
    end = next(number for number, line in enumerate(lines) if line.startswith("run finished"))
    assert lines[end + 1 :] == [
        "more epochs are not likely to help; a larger backbone or more data may"
    ] or lines[end + 1].startswith(("train top-1", "val top-1"))


def test_show_prints_them_as_text_and_as_json(tmp_path: Path) -> None:
    write_run(tmp_path, "20261124-120000-fits", records())
    printed = run("show", "--no-chart", "--runs-dir", ".", cwd=tmp_path).stdout
    assert "verdict" in printed
    assert "overfitting since full epoch 3" in printed
    output = json.loads(run("show", "--json", "--runs-dir", ".", cwd=tmp_path).stdout)
    assert [found["code"] for found in output["findings"]] == ["overfitting"]
    assert output["findings"][0]["epoch"] == 3
    assert len(output["verdict"]) == 2


async def test_the_chart_of_a_monitored_metric_replaces_that_of_top_1() -> None:
    monitored = BAD["stagnation"][0]
    changed = [
        replace(event, monitor="macro_f1", **(_F1 if isinstance(event, ev.EpochEnded) else {}))
        if isinstance(event, ev.PhaseStarted | ev.EpochEnded)
        else event
        for event in monitored
    ]
    source = scripted.ScriptedSource(
        Record(seq, scripted.START + seq, event) for seq, event in enumerate(changed, 1)
    )
    async with make_app(source).run_test(size=(140, 45)) as pilot:
        await settle(pilot)
        await settle(pilot)
        shown = [chart.id for chart in pilot.app.screen.query("Chart") if chart.display]
        assert shown == ["loss", "macro_f1"]
        assert "highest macro F1 48.00%" in text(pilot, "#stopping")


_F1 = {"macro_f1": 0.48, "monitor_best": 0.48}
