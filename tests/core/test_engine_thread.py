import json
from pathlib import Path
from queue import SimpleQueue

import pytest

from core.common.errors import SetupError
from core.events import commands as cmd
from core.events import types as ev
from core.events.journal import replay
from core.events.record import Record
from core.run.lock import is_locked
from core.run.state import fold
from core.session.engine_thread import EngineThread
from tests.core.engine_kit import small_config
from tests.make_images import make_images


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("photos"), classes=2, per_class=8)


def drain(queue: "SimpleQueue[Record]") -> list[Record]:
    return [queue.get_nowait() for _ in range(queue.qsize())]


def test_listeners_and_journal_have_equal_records(photos: Path, tmp_path: Path) -> None:
    engine = EngineThread(small_config(photos), tmp_path)
    queue = engine.subscribe()
    engine.start()
    result = engine.join()
    assert result is not None
    assert (result.outcome, result.exit_code) == ("finished", 0)
    heard = drain(queue)
    assert engine.folder is not None
    written, skipped = replay(engine.folder.journal)
    assert [r.to_json() for r in heard] == [r.to_json() for r in written]
    assert skipped.count == 0
    assert fold(written).status == "finished"
    assert not is_locked(engine.folder)


def test_every_command_gets_one_reply_even_after_the_last_step(
    photos: Path, tmp_path: Path
) -> None:
    engine = EngineThread(small_config(photos), tmp_path)
    queue = engine.subscribe()
    sent = [cmd.SetPatience(patience=5), cmd.Resume(), cmd.SetPatience(patience=-1)]
    for command in sent:
        engine.send(command)
    engine.start()
    heard = []
    while not (heard and isinstance(heard[-1], ev.PhaseEnded) and heard[-1].phase == "full"):
        heard.append(queue.get().event)
    late = cmd.Pause()
    engine.send(late)
    engine.join()
    after_the_end = cmd.Pause()
    engine.send(after_the_end)
    heard += [record.event for record in drain(queue)]
    answers = [e.id for e in heard if isinstance(e, ev.CommandApplied | ev.CommandRefused)]
    assert answers == [command.id for command in [*sent, late, after_the_end]]


def test_a_stop_before_the_first_step_ends_the_run_normally(photos: Path, tmp_path: Path) -> None:
    engine = EngineThread(small_config(photos), tmp_path)
    engine.send(cmd.Stop(reason="changed my mind"))
    engine.start()
    result = engine.join()
    assert result is not None
    assert (result.outcome, result.exit_code) == ("stopped", 0)
    assert "changed my mind" in result.reason
    assert engine.folder is not None
    assert fold(replay(engine.folder.journal)[0]).status == "stopped"


def test_an_engine_error_fails_the_run_and_is_logged(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.training.engine import Engine

    def broken(self: Engine, state: object, batch: object, seed: int) -> tuple[float, float]:
        raise RuntimeError("the device caught fire")

    monkeypatch.setattr(Engine, "step", broken)
    engine = EngineThread(small_config(photos), tmp_path)
    engine.start()
    result = engine.join()
    assert result is not None
    assert (result.outcome, result.exit_code) == ("failed", 1)
    assert "the device caught fire" in result.reason
    assert engine.folder is not None
    assert "Traceback" in engine.folder.log.read_text()
    last = json.loads(engine.folder.journal.read_text().splitlines()[-1])
    assert (last["type"], last["outcome"]) == ("RunEnded", "failed")


def test_a_run_that_cannot_start_leaves_no_files(photos: Path, tmp_path: Path) -> None:
    runs_dir = tmp_path / "runs"
    engine = EngineThread(small_config(photos, "model.name=no_such_net"), runs_dir)
    engine.start()
    result = engine.join()
    assert result is not None
    assert result.exit_code == 2
    assert not runs_dir.exists()


def test_a_run_that_cannot_start_keeps_other_runs(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "another").mkdir()
    engine = EngineThread(small_config(photos, "model.name=no_such_net"), tmp_path)
    engine.start()
    engine.join()
    assert [path.name for path in tmp_path.iterdir()] == ["another"]


def test_a_missing_data_folder_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no such folder"):
        EngineThread(small_config(tmp_path / "nowhere"), tmp_path / "runs")


def test_an_unsubscribed_listener_gets_no_records(photos: Path, tmp_path: Path) -> None:
    engine = EngineThread(small_config(photos), tmp_path)
    left, stayed = engine.subscribe(), engine.subscribe()
    engine.unsubscribe(left)
    engine.start()
    engine.join()
    assert left.empty()
    assert isinstance(drain(stayed)[-1].event, ev.RunEnded)
