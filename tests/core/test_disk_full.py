"""A disk that is full for a while: nothing is lost, and the results of the run are unchanged."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from core.events import commands as cmd
from core.events import journal
from core.events import types as ev
from core.events.journal import replay
from core.run import history_csv as history
from core.session.engine_thread import EngineThread
from core.training import command_handler
from core.training.checkpoints import writer as checkpoint
from core.training.checkpoints.writer_thread import WriterThread
from tests.core.engine_kit import load, same, small_config
from tests.make_images import make_images


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("photos"), classes=2, per_class=8)


@pytest.fixture(autouse=True)
def _short_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_handler, "FIRST_RETRY_SECONDS", 0.01)


def full_disk(real: Callable[..., Any], calls: range) -> Callable[..., Any]:
    """Fail these calls (counted from 1) with 'No space left on device'."""
    count = 0

    def write(*arguments: Any, **named: Any) -> Any:
        nonlocal count
        count += 1
        if count in calls:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments, **named)

    return write


def refuse_checkpoints(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        checkpoint, "write_checkpoint", full_disk(checkpoint.write_checkpoint, range(3, 6))
    )


def refuse_journal(patch: pytest.MonkeyPatch) -> None:
    writer = journal.JournalWriter
    patch.setattr(writer, "flush", full_disk(writer.flush, range(8, 12)))


def refuse_history(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        history,
        "write_text_atomically",
        full_disk(history.write_text_atomically, range(2, 4)),
    )


@pytest.mark.parametrize("refuse", [refuse_checkpoints, refuse_journal, refuse_history])
def test_a_run_pauses_on_a_full_disk_and_resumes_once_there_is_space(
    refuse: Callable[[pytest.MonkeyPatch], None],
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = EngineThread(small_config(photos), tmp_path / "plain")
    plain.start()
    plain.join()
    with monkeypatch.context() as patch:
        refuse(patch)
        engine = EngineThread(small_config(photos), tmp_path / "full")
        engine.start()
        result = engine.join()
    assert result is not None
    assert result.outcome == "finished", result.reason
    assert engine.folder is not None
    assert plain.folder is not None
    records, skipped = replay(engine.folder.journal)
    assert [record.seq for record in records] == list(range(1, len(records) + 1))
    assert skipped.count == 0
    warned = [r.event for r in records if isinstance(r.event, ev.Warned)]
    assert warned
    assert all("No space left on device" in w.message for w in warned)
    assert sum(isinstance(r.event, ev.Paused) for r in records) == sum(
        isinstance(r.event, ev.Resumed) for r in records
    )
    assert len(pd.read_csv(engine.folder.history)) == 4
    for name in ("best.pt", "last.pt"):
        a, b = (load(f.checkpoints / name)["model"] for f in (plain.folder, engine.folder))
        assert same(a, b)
    assert not list(engine.folder.path.rglob(".*.tmp"))


def test_a_stop_on_a_full_disk_leaves_the_previous_checkpoint(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = checkpoint.write_checkpoint
    written: list[str] = []

    def only_the_first(path: Path, content: dict[str, Any], keep: Path | None = None) -> int:
        if written:
            raise OSError(errno.ENOSPC, "No space left on device")
        size = real(path, content, keep)
        written.extend(["it"] if "train_state" in content else [])
        return size

    monkeypatch.setattr(checkpoint, "write_checkpoint", only_the_first)
    engine = EngineThread(small_config(photos), tmp_path)
    queue = engine.subscribe()
    engine.start()
    while not isinstance(event := queue.get(timeout=60).event, ev.Warned):
        assert not isinstance(event, ev.RunEnded)
    engine.send(cmd.Stop())
    result = engine.join(60)
    assert result is not None
    assert (result.outcome, result.exit_code) == ("failed", 1)
    assert engine.folder is not None
    assert result.reason == (
        "stopped (asked to stop), but the checkpoint can't be written: No space left on device; "
        "resuming continues from head epoch 1, step 2"
    )
    assert load(engine.folder.checkpoints / "last.pt")["train_state"]["phase"] == "head"


def test_the_writer_thread_keeps_the_order_and_the_newest_task_of_a_name() -> None:
    done: list[str] = []
    saver = WriterThread()
    broken = [OSError(errno.ENOSPC, "full")]

    def failing() -> None:
        if broken:
            raise broken.pop()
        done.append("first")

    saver.submit("last", failing)
    assert not saver.wait()
    assert saver.error is not None
    for name in ("older", "newer"):
        saver.submit("other", lambda name=name: done.append(name))  # type: ignore[misc]
    saver.retry()
    assert saver.wait()
    saver.close()
    assert done == ["first", "newer"]


def test_a_stop_while_the_end_of_a_phase_waits_for_the_disk_stops_the_run(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last write of phase head fails."""
    real = checkpoint.write_checkpoint
    head_is_over = False

    def write(path: Path, content: dict[str, Any], keep: Path | None = None) -> int:
        nonlocal head_is_over
        head_is_over |= content.get("train_state", {}).get("end") is not None
        if head_is_over:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, content, keep)

    monkeypatch.setattr(checkpoint, "write_checkpoint", write)
    engine = EngineThread(small_config(photos), tmp_path)
    queue = engine.subscribe()
    engine.start()
    while not isinstance(queue.get(timeout=60).event, ev.Warned):
        continue
    engine.send(cmd.Stop())
    result = engine.join(60)
    assert result is not None
    assert result.outcome == "failed"
    # Which checkpoint is the last one that was written depends on the speed of the writer.
    assert engine.folder is not None
    saved = load(engine.folder.checkpoints / "last.pt")["train_state"]
    position = f"{saved['phase']} epoch {saved['epoch']}, step {saved['step']}"
    assert f"resuming continues from {position}" in result.reason
