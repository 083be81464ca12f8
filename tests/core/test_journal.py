import os
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.events.emitter import Emitter
from core.events.journal import JournalReader, JournalWriter, replay
from core.events.record import Record
from core.events.types import Event, Paused, Preparing, Resumed, Warned

EVENTS: list[Event] = [
    Preparing(stage="reading", done=1, total=2),
    Warned(code="x", message="caf\udce9 [red]", files=["a\nb.png"]),
    Paused(global_step=3),
    Resumed(global_step=3, seconds=float("nan")),
    Preparing(stage="x" * 500),
]
RECORDS = [Record(seq, float(seq), event) for seq, event in enumerate(EVENTS, 1)]
BYTES = b"".join(record.to_json().encode() + b"\n" for record in RECORDS)


def same(got: list[Record], expected: list[Record]) -> bool:
    return repr(got) == repr(expected)


def test_written_records_are_replayed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    writer = JournalWriter(path)
    for record in RECORDS:
        writer.append(record)
    writer.close()
    records, skipped = replay(path)
    assert same(records, RECORDS)
    assert skipped.count == 0


def test_a_line_reaches_the_kernel_before_append_returns(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    writer, reader = JournalWriter(path), JournalReader(path)
    for record in RECORDS:
        writer.append(record)
        assert same(list(reader.read()), [record])
    writer.close()


def test_opening_an_old_journal_appends_to_it(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for record in RECORDS[:2]:
        writer = JournalWriter(path)
        writer.append(record)
        writer.close()
    assert same(replay(path)[0], RECORDS[:2])


@pytest.mark.parametrize("cut", [1, 10, len(RECORDS[-1].to_json())])
def test_a_torn_last_line_is_read_once_it_is_complete(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(BYTES[:-cut])
    reader = JournalReader(path)
    assert same(list(reader.read()), RECORDS[:-1])
    assert list(reader.read()) == []
    with path.open("ab") as file:
        file.write(BYTES[-cut:])
    assert same(list(reader.read()), RECORDS[-1:])
    assert reader.skipped.count == 0


def test_a_torn_last_line_is_not_an_error(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(BYTES[:-5])
    records, skipped = replay(path)
    assert same(records, RECORDS[:-1])
    assert skipped.count == 0


@settings(max_examples=40)
@given(limits=st.lists(st.integers(1, 400), min_size=1, max_size=5))
def test_bounded_reads_give_the_records_of_one_read(
    tmp_path_factory: pytest.TempPathFactory, limits: list[int]
) -> None:
    path = tmp_path_factory.getbasetemp() / "bounded.jsonl"
    path.write_bytes(BYTES + b"torn")
    reader = JournalReader(path)
    records: list[Record] = []
    for turn in range(len(BYTES) + 10):
        records += reader.read(limits[turn % len(limits)])
    assert same(records, RECORDS)
    assert reader.skipped.count == 0


def test_a_bounded_read_stops_at_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(BYTES)
    first = len(RECORDS[0].to_json()) + 1
    assert same(list(JournalReader(path).read(limit=first)), RECORDS[:1])
    assert list(JournalReader(path).read(limit=first - 1)) == []


def test_a_bounded_read_grows_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    reader, written, records = JournalReader(path), 0, []
    while written < len(BYTES):
        with path.open("ab") as file:
            file.write(BYTES[written : written + 37])
        written += 37
        records += list(reader.read(limit=1 << 16))
    assert same(records, RECORDS)


def test_invalid_lines_are_skipped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    lines = BYTES.splitlines(keepends=True)
    lines[1:1] = [b"\n", b"not json\n", b'{"type": "Unknown"}\n', b"\xff\xfe\n", b"  \n"]
    path.write_bytes(b"".join(lines))
    records, skipped = replay(path)
    assert same(records, RECORDS)
    assert skipped.count == 3
    assert [reason.split(":")[0] for reason in skipped.reasons] == ["line 3", "line 4", "line 5"]


def test_only_the_first_reasons_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"bad\n" * 50)
    _, skipped = replay(path)
    assert (skipped.count, len(skipped.reasons)) == (50, 5)


def test_an_oversized_line_is_skipped_and_later_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"x" * (9 << 20) + b"\n" + BYTES)
    records, skipped = replay(path)
    assert same(records, RECORDS)
    assert skipped.count >= 1
    assert "longer than" in skipped.reasons[0]


def test_a_missing_journal_is_empty_until_it_exists(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    reader = JournalReader(path)
    assert list(reader.read()) == []
    path.write_bytes(BYTES)
    assert same(list(reader.read()), RECORDS)


def test_an_unreadable_journal_raises_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        list(JournalReader(tmp_path).read())


def test_a_disk_that_fills_up_within_a_line_loses_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    writer = JournalWriter(path)
    writer.append(RECORDS[0])
    real_write = os.write
    calls = count()

    def write_half_then_fail(file: int, data: bytes) -> int:
        if next(calls):
            raise OSError(28, "No space left on device")
        return real_write(file, data[: len(data) // 2])

    with monkeypatch.context() as full, pytest.raises(OSError):
        full.setattr(os, "write", write_half_then_fail)
        writer.append(RECORDS[1])
    writer.append(RECORDS[2])
    writer.append(RECORDS[3])
    writer.close()
    records, skipped = replay(path)
    assert same(records, RECORDS[:4])
    assert skipped.count == 0


def test_a_line_torn_by_a_crash_does_not_corrupt_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(RECORDS[0].to_json() + "\n" + RECORDS[1].to_json()[:20])
    writer = JournalWriter(path)
    writer.append(RECORDS[2])
    writer.close()
    records, skipped = replay(path)
    assert same(records, [RECORDS[0], RECORDS[2]])
    assert skipped.count == 1


def test_the_emitter_numbers_events_for_listeners_and_journal(tmp_path: Path) -> None:
    times = count(100)
    emitter = Emitter(clock=lambda: float(next(times)))
    early = emitter.subscribe()
    emitter.emit(EVENTS[0])
    emitter.open_journal(JournalWriter(tmp_path / "events.jsonl"))
    late = emitter.subscribe()
    emitter.emit(EVENTS[2])
    emitter.close()
    emitter.emit(EVENTS[2])
    expected = [
        Record(1, 100.0, EVENTS[0]),
        Record(2, 101.0, EVENTS[2]),
        Record(3, 102.0, EVENTS[2]),
    ]
    assert [early.get_nowait() for _ in range(3)] == expected
    assert [late.get_nowait() for _ in range(2)] == expected[1:]
    assert replay(tmp_path / "events.jsonl")[0] == expected[:2]
