"""A snapshot changes only how long reading a journal takes."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.events.journal import JournalReader
from core.events.record import Record
from core.run.folder import RunFolder
from core.run.snapshot import Snapshot
from core.run.state import LOG_LINES, RunState
from tests.core.event_strategies import journals
from tests.tui import scripted

BAD_LINES = [b"\n", b"not json\n", b'{"type": "Unknown"}\n', b"\xff\n"]


def snapshot(path: Path) -> Snapshot:
    """Return a snapshot without a minimum size."""
    folder = RunFolder(path)
    return Snapshot(folder.journal, folder.snapshot, min_bytes=0)


def read_rest(reader: JournalReader, state: RunState, limit: int | None = None) -> RunState:
    for record in reader.read(limit):
        state.apply(record)
    return state


def folded(path: Path) -> tuple[JournalReader, RunState]:
    reader = JournalReader(RunFolder(path).journal)
    return reader, read_rest(reader, RunState())


def save(path: Path, limit: int | None = None) -> None:
    """Read a journal, or its first `limit` bytes, and save a snapshot."""
    kept = snapshot(path)
    reader, state = kept.open()
    read_rest(reader, state, limit)
    write = kept.save(reader, state)
    assert write is not None
    write()


def reads_from_the_start(path: Path) -> bool:
    """Return whether a reader starts at the first line; it must read the whole journal."""
    reader, state = snapshot(path).open()
    from_start = reader.offset.offset == 0
    assert not from_start or repr(state) == repr(RunState())
    read_rest(reader, state)
    assert repr(state) == repr(folded(path)[1])
    return from_start


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with a snapshot of its whole journal."""
    write_journal(tmp_path, lines(scripted.finished().records))
    save(tmp_path)
    assert not reads_from_the_start(tmp_path)
    return tmp_path


def lines(records: list[Record]) -> list[bytes]:
    return [record.to_json().encode() + b"\n" for record in records]


def write_journal(path: Path, written: list[bytes]) -> None:
    path.mkdir(exist_ok=True)
    RunFolder(path).journal.write_bytes(b"".join(written))


@given(records=journals(), data=st.data())
def test_snapshot_plus_remaining_records_equals_a_full_fold(
    tmp_path_factory: pytest.TempPathFactory, records: list[Record], data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "saved"
    written = lines(records)
    for bad in data.draw(st.lists(st.sampled_from(BAD_LINES), max_size=3)):
        written.insert(data.draw(st.integers(0, len(written))), bad)
    write_journal(path, written)
    RunFolder(path).snapshot.unlink(missing_ok=True)
    whole_reader, whole = folded(path)

    first = snapshot(path)
    reader, state = first.open()
    read_rest(reader, state, limit=data.draw(st.integers(1, sum(map(len, written)) + 1)))
    text, offset = repr(state), reader.offset
    write = first.save(reader, state)
    assert write is not None
    read_rest(reader, state)  # later records are not in the snapshot
    write()

    reader, state = snapshot(path).open()
    assert (repr(state), reader.offset) == (text, offset)
    read_rest(reader, state)
    assert repr(state) == repr(whole)
    assert reader.offset == whole_reader.offset
    assert reader.skipped == whole_reader.skipped


@given(records=journals())
def test_restored_epochs_are_shared_objects(
    tmp_path_factory: pytest.TempPathFactory, records: list[Record]
) -> None:
    path = tmp_path_factory.getbasetemp() / "same"
    write_journal(path, [b"\n", *lines(records)])
    save(path)
    state = snapshot(path).open()[1]
    known = [id(point) for point in state.epochs]
    phases = state.phases.values()
    assert all(id(point) in known for phase in phases for point in phase.epochs)
    for best in (state.best, *(phase.best for phase in phases)):
        assert best is None or id(best) in known


def test_the_log_keeps_dropping_its_oldest_lines(tmp_path: Path) -> None:
    script = scripted.running()
    for number in range(LOG_LINES):
        script.command("SetPatience", f"note {number}")
    write_journal(tmp_path, lines(script.records))
    save(tmp_path)
    more = script.command("SetPatience", "the last one").records[-1:]
    with RunFolder(tmp_path).journal.open("ab") as file:
        file.writelines(lines(more))
    reader, state = snapshot(tmp_path).open()
    read_rest(reader, state)
    assert (len(state.log), len(state.replies)) == (LOG_LINES, LOG_LINES)
    assert "the last one" in state.log[-1].text
    assert repr(state) == repr(folded(tmp_path)[1])


def test_a_continuing_run_is_followed_from_its_snapshot(run: Path) -> None:
    with RunFolder(run).journal.open("ab") as file:
        file.write(b'{"torn')
    assert not reads_from_the_start(run)
    with RunFolder(run).journal.open("ab") as file:
        file.write(b" line\n" + lines(scripted.running().records)[-1])
    assert not reads_from_the_start(run)


def test_no_snapshot_is_written_while_it_would_save_little(tmp_path: Path) -> None:
    write_journal(tmp_path, lines(scripted.finished().records))
    folder = RunFolder(tmp_path)
    size = folder.journal.stat().st_size

    def written(min_bytes: int, limit: int | None) -> bool:
        one = Snapshot(folder.journal, folder.snapshot, min_bytes)
        reader, state = one.open()
        read_rest(reader, state, limit)
        return one.save(reader, state) is not None

    assert not written(size + 1, None)
    assert written(size, None)
    # Before the end is reached, only at long intervals.
    assert not written(size // 20, size // 2)
    assert written(size // 100, size // 2)


def test_a_snapshot_that_lags_behind_is_replaced(tmp_path: Path) -> None:
    write_journal(tmp_path, lines(scripted.running().records))
    folder = RunFolder(tmp_path)
    one = Snapshot(folder.journal, folder.snapshot, min_bytes=1000)
    reader, state = one.open()
    assert one.save(reader, read_rest(reader, state)) is not None
    assert one.save(reader, state) is None
    line = lines(scripted.running().records)[-1]
    with folder.journal.open("ab") as file:
        file.write(line)
    assert one.save(reader, read_rest(reader, state)) is None
    with folder.journal.open("ab") as file:
        file.write(line * 3)
    assert one.save(reader, read_rest(reader, state)) is not None


def other_journal(path: Path) -> None:
    write_journal(path, lines(scripted.failed().records))


def shorter_journal(path: Path) -> None:
    journal = RunFolder(path).journal
    journal.write_bytes(journal.read_bytes()[:-1])


def other_end(path: Path) -> None:
    journal = RunFolder(path).journal
    written = journal.read_bytes().splitlines(keepends=True)
    written[-2] = written[-2].replace(b"checkpoints/best.pt", b"checkpoints/last.pt")
    journal.write_bytes(b"".join(written))


def other_beginning(path: Path) -> None:
    journal = RunFolder(path).journal
    journal.write_bytes(journal.read_bytes().replace(b"animals20", b"animals21", 1))


def missing_journal(path: Path) -> None:
    RunFolder(path).journal.unlink()


@pytest.mark.parametrize(
    "change", [other_journal, shorter_journal, other_end, other_beginning, missing_journal]
)
def test_the_snapshot_of_another_journal_is_ignored(
    run: Path, change: Callable[[Path], None]
) -> None:
    change(run)
    assert reads_from_the_start(run)


Tree = dict[str, Any]


def in_state(**values: object) -> Callable[[Tree], object]:
    return lambda tree: tree["content"]["state"].update(values)


def without(name: str) -> Callable[[Tree], object]:
    return lambda tree: tree["content"]["state"].pop(name)


def at(*keys: str | int, value: object) -> Callable[[Tree], object]:
    def change(tree: Any) -> None:
        for key in ("content", "state", *keys[:-1]):
            tree = tree[key]
        tree[keys[-1]] = value

    return change


IMPLAUSIBLE: dict[str, Callable[[Tree], object]] = {
    "another version": lambda tree: tree.update(made_by="99.0, form 1"),
    "no content": lambda tree: tree.update(content=None),
    "no state": lambda tree: tree["content"].pop("state"),
    "a negative offset": lambda tree: tree["content"]["offset"].update(offset=-5),
    "the offset zero": lambda tree: tree["content"]["offset"].update(offset=0),
    "an offset beyond the end": lambda tree: tree["content"]["offset"].update(offset=10**9),
    "an impossible offset": lambda tree: tree["content"]["offset"].update(offset=10**30),
    "another offset": lambda tree: tree["content"]["offset"].update(offset=100),
    "another probe": lambda tree: tree["content"].update(probe="0" * 64),
    "text for a number": in_state(seq="many"),
    "a list for an object": in_state(phases=[]),
    "a number for an event": in_state(progress=5),
    "no log": in_state(log=None),
    "a width of zero": at("series", "loss", "width", value=0),
    "another limit": at("series", "top1", "limit", value=10**9),
    "too many buckets": at(
        "series", "loss", "buckets", value=[{"x": 1, "low": 0, "high": 0, "last": 0}] * 5000
    ),
    "a bucket at x = nan": at("series", "loss", "buckets", 0, "x", value="nan"),
    "an epoch at a huge x": at("epochs", 0, "x", value=10**400),
    "an epoch at an infinite time": at("epochs", 0, "time", value="inf"),
    "a marker at x = -inf": at("markers", 0, "x", value="-inf"),
    "a log line at an undefined time": at("log", 0, "time", value="nan"),
    "a phase that starts at x = inf": at("phases", "head", "start_x", value="inf"),
    "an infinite start time": in_state(started="inf"),
}


@pytest.mark.parametrize("name", IMPLAUSIBLE)
def test_an_implausible_file_is_ignored(run: Path, name: str) -> None:
    file = RunFolder(run).snapshot
    tree = json.loads(file.read_bytes())
    IMPLAUSIBLE[name](tree)
    file.write_text(json.dumps(tree))
    assert reads_from_the_start(run)


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 100, b"[" * 100_000, b"[]", b"{}", b"null", b'{"made_by": []}', b"\xff\xfe{"],
    ids=["empty", "zeros", "nested", "list", "object", "null", "no version", "not utf-8"],
)
def test_a_damaged_file_is_ignored(run: Path, content: bytes) -> None:
    RunFolder(run).snapshot.write_bytes(content)
    assert reads_from_the_start(run)


@pytest.mark.parametrize("cut", [1, 100, 2000])
def test_a_truncated_file_is_ignored(run: Path, cut: int) -> None:
    file = RunFolder(run).snapshot
    file.write_bytes(file.read_bytes()[:-cut])
    assert reads_from_the_start(run)


def test_a_directory_in_place_of_the_file_is_ignored(run: Path) -> None:
    file = RunFolder(run).snapshot
    for make in (Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero")):
        file.rmdir() if file.is_dir() else file.unlink()
        make(file)
        assert reads_from_the_start(run)


def test_control_characters_in_restored_text_are_escaped(run: Path) -> None:
    file = RunFolder(run).snapshot
    tree = json.loads(file.read_bytes())
    tree["content"]["state"]["phases"]["head"]["reason"] = "a\x1b[2Jb"
    file.write_text(json.dumps(tree))
    assert snapshot(run).open()[1].phases["head"].reason == r"a\x1b[2Jb"


def test_without_write_permission_no_snapshot_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_journal(tmp_path, lines(scripted.finished().records))

    def refuse(path: Path, text: str) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("core.common.cache_file.write_text_atomically", refuse)
        save(tmp_path)
    assert reads_from_the_start(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["events.jsonl"]


def test_a_too_deeply_nested_state_is_not_saved(tmp_path: Path) -> None:
    deep = b'{"a":' * 700 + b"1" + b"}" * 700
    started = (
        b'{"seq": 1, "time": 1.0, "type": "RunStarted", "run_id": "r", "name": "r", "config": '
    )
    write_journal(tmp_path, [started + deep + b"}\n"])
    save(tmp_path)
    assert reads_from_the_start(tmp_path)
