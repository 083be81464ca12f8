"""Sources of a run's records, and the run model."""

import threading
from pathlib import Path

from core.events import types as ev
from core.events.journal import JournalWriter
from core.run.state import fold
from tests.tui import scripted
from tests.tui.disk import write_run
from tui.viewmodel.run_source import JournalSource, RunModel


def test_device_samples_do_not_count_as_updates() -> None:
    now = [100.0]
    script = scripted.Script().prepare().phase("head").progress("head", 1, 5, 0.7)
    source = script.source()
    model = RunModel(source, clock=lambda: now[0])
    model.pump()
    now[0] = 130.0
    assert model.seconds_since_update == 30.0
    # The wall clock of the run jumps a day; only this process's clock counts.
    source.pending = script.add(ev.DeviceSample(device="cpu"), 86_400).records[-1:]
    model.pump()
    assert model.seconds_since_update == 30.0
    source.pending = script.progress("head", 1, 6, 0.7).records[-1:]
    model.pump()
    assert model.seconds_since_update == 0.0


def read_all(path: Path) -> RunModel:
    model = RunModel(JournalSource(path), path)
    while model.pump():
        pass
    for thread in threading.enumerate():
        if thread.name == "snapshot":
            thread.join()
    return model


def long_run(tmp_path: Path) -> tuple[Path, scripted.Script]:
    """Write a journal that takes two reads; no view shows the long line."""
    script = scripted.running()
    script.add(ev.Preparing(stage="x" * (3 << 19))).add(ev.Preparing(stage="loading torch"))
    return write_run(tmp_path, "20261124-120000-long", script.records), script


def test_a_long_journal_is_read_once_and_then_followed(tmp_path: Path) -> None:
    path, script = long_run(tmp_path)
    whole = fold(script.records)
    first = RunModel(JournalSource(path), path)
    first.pump()
    assert first.state.seq < whole.seq
    assert repr(read_all(path).state) == repr(whole)
    again = RunModel(JournalSource(path), path)
    assert repr(again.state) == repr(whole)
    assert not again.pump()
    writer = JournalWriter(path / "events.jsonl")
    script.epoch("full", 3, 0.02, 0.999)
    for record in script.records[whole.seq :]:
        writer.append(record)
    writer.close()
    assert again.pump()
    assert repr(again.state) == repr(fold(script.records))


def test_skipped_lines_before_the_snapshot_are_counted(tmp_path: Path) -> None:
    path, _ = long_run(tmp_path)
    journal = path / "events.jsonl"
    journal.write_bytes(b"not json\n" + journal.read_bytes())
    assert read_all(path).source.skipped_lines == 1
    assert RunModel(JournalSource(path), path).source.skipped_lines == 1


def test_a_short_journal_gets_no_snapshot(tmp_path: Path) -> None:
    path = write_run(tmp_path, "20261124-120000-short", scripted.finished().records)
    read_all(path)
    assert [file.name for file in path.iterdir()] == ["events.jsonl"]


def test_the_time_of_a_run_is_that_of_its_host() -> None:
    script = scripted.running()
    records, now = list(script.records), [50.0]
    del script.records[-3:]
    source = script.source(live=True)
    model = RunModel(source, clock=lambda: now[0])
    here = records[-1].time + 7200  # the clock of this machine is two hours ahead
    model.pump()
    assert model.run_time(here) == here, "not known yet"
    source.pending = records[-3:]
    model.pump()
    now[0] += 5
    assert model.run_time(here) == records[-1].time + 5
    assert model.run_time(records[-1].time + 30) == records[-1].time + 30, "no more than usual"
