"""Stopped anywhere and gone on with, a run ends as if nothing had been."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from core.common.errors import SetupError
from core.events import commands as cmd
from core.events import types as ev
from core.events.journal import replay
from core.run.find import find_run
from core.run.folder import RunFolder
from core.run.lock import RunLock
from core.run.state import fold
from core.session.engine_thread import EngineThread, Result
from core.session.resume import plan_resumption
from tests.core.engine_kit import load, same, slow_except, small_config
from tests.make_images import make_images


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("photos"), classes=3, per_class=10)


@pytest.fixture(scope="module")
def unbroken(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return run(EngineThread(small_config(photos), tmp_path_factory.mktemp("unbroken")))


def run(
    engine: EngineThread, react: Callable[[ev.Event], cmd.Command | None] = lambda e: None
) -> RunFolder:
    """Train to the end. `react` sees each event in the engine's thread, so that its command is
    there before the next step, and may answer with a command."""

    def on_event(event: ev.Event) -> None:
        command = react(event)
        if command is not None:
            engine.send(command)

    engine.add_callback(on_event)
    engine.start()
    result = engine.join(120)
    assert result is not None
    assert engine.folder is not None, result.reason
    return engine.folder


def go_on(folder: RunFolder, *overrides: str, accept: bool = False) -> Result:
    resumption = plan_resumption(folder, overrides, accept)
    engine = EngineThread(resumption.config, folder.path.parent, resumption=resumption)
    engine.start()
    result = engine.join()
    assert result is not None
    return result


def crash_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the engine's process 'die' in the step after this many."""
    from core.training.engine import Engine

    step = Engine.step

    def dying(self: Engine, state, batch, seed):
        if self.global_step == steps:
            raise RuntimeError("the process dies here")
        return step(self, state, batch, seed)

    monkeypatch.setattr(Engine, "step", dying)


def history(folder: RunFolder) -> pd.DataFrame:
    times = ["seconds", "images_per_second", "data_wait"]
    return pd.read_csv(folder.history).drop(columns=times)


def assert_same_end(folder: RunFolder, unbroken: RunFolder) -> None:
    for name in ("best.pt", "best-head.pt", "best-full.pt", "last.pt"):
        a, b = load(folder.checkpoints / name), load(unbroken.checkpoints / name)
        assert same(a["model"], b["model"]), name
        assert a.get("metrics") == b.get("metrics")
    pd.testing.assert_frame_equal(history(folder), history(unbroken))
    states = [fold(replay(f.journal)[0]) for f in (folder, unbroken)]
    told = [[(p.x, p.result.phase, p.result.epoch) for p in s.epochs] for s in states]
    assert told[0] == told[1]
    assert states[0].status == "finished"


# 24 training pictures in batches of 8: 3 steps an epoch, 2 + 2 epochs, 12 steps in all.
@pytest.mark.parametrize("steps", slow_except(range(1, 12), 2, 6, 10))
def test_a_run_that_dies_in_any_step_ends_like_one_that_did_not(
    steps: int,
    photos: Path,
    tmp_path: Path,
    unbroken: RunFolder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = small_config(photos, "checkpoint.every_minutes=0.000001")
    with monkeypatch.context() as patch:
        crash_after(steps, patch)
        folder = run(EngineThread(config, tmp_path))
    assert go_on(folder).outcome == "finished"
    assert_same_end(folder, unbroken)


def stop_in(phase: str, epoch: int, stage: str) -> Callable[[ev.Event], cmd.Command | None]:
    sent: list[cmd.Command] = []

    def react(event: ev.Event) -> cmd.Command | None:
        where = (phase, epoch, stage)
        if isinstance(event, ev.Progress) and (event.phase, event.epoch, event.stage) == where:
            sent.append(cmd.Stop())
            return sent[0] if len(sent) == 1 else None
        return None

    return react


@pytest.mark.parametrize("phase", ["head", "full"])
@pytest.mark.parametrize("stage", ["train", "val"])
def test_stopped_by_hand_and_gone_on_with(
    phase: str, stage: str, photos: Path, tmp_path: Path, unbroken: RunFolder
) -> None:
    folder = run(EngineThread(small_config(photos), tmp_path), stop_in(phase, 1, stage))
    assert go_on(folder).outcome == "finished"
    assert_same_end(folder, unbroken)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "foreign", "no checksum"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    damage: str, photos: Path, tmp_path: Path, unbroken: RunFolder
) -> None:
    folder = run(EngineThread(small_config(photos), tmp_path), stop_in("full", 2, "train"))
    last = folder.checkpoints / "last.pt"
    data = last.read_bytes()
    half = len(data) // 2
    flipped = data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :]
    contents = {"flip": flipped, "cut": data[:half], "empty": b"", "foreign": b"PK not a zip"}
    if damage == "no checksum":
        (folder.checkpoints / "last.pt.sha256").unlink()
    else:
        last.unlink()
        last.write_bytes(contents[damage])
    assert go_on(folder).outcome == "finished"
    warned = [r.event for r in replay(folder.journal)[0] if isinstance(r.event, ev.Warned)]
    assert [w.code for w in warned] == ["checkpoint"]
    assert "last.pt" in warned[0].message
    assert "last-previous.pt is used instead" in warned[0].message
    assert_same_end(folder, unbroken)


def test_what_a_killed_process_has_half_written_is_removed(photos: Path, tmp_path: Path) -> None:
    folder = run(EngineThread(small_config(photos), tmp_path), stop_in("full", 1, "train"))
    left = [folder.checkpoints / ".last.pt.4711.tmp", folder.path / ".history.csv.4711.tmp"]
    for path in left:
        path.write_bytes(b"half")
    assert go_on(folder).outcome == "finished"
    assert not list(folder.path.rglob(".*.tmp"))


def test_damaged_best_files_are_written_again(
    photos: Path, tmp_path: Path, unbroken: RunFolder
) -> None:
    folder = run(EngineThread(small_config(photos), tmp_path), stop_in("full", 2, "train"))
    for name in ("best.pt", "best-full.pt"):
        (folder.checkpoints / name).write_bytes(b"spoilt")
    assert go_on(folder).outcome == "finished"
    assert_same_end(folder, unbroken)


def test_where_no_checkpoint_is_good_the_run_is_refused_and_left_alone(
    photos: Path, tmp_path: Path
) -> None:
    folder = run(EngineThread(small_config(photos), tmp_path), stop_in("head", 1, "train"))
    for path in folder.checkpoints.glob("*.pt"):
        path.write_bytes(b"spoilt")
    before = folder.journal.read_bytes()
    result = go_on(folder)
    assert (result.outcome, result.exit_code) == ("failed", 2)
    assert "last.pt doesn't match its checksum" in result.reason
    assert folder.journal.read_bytes() == before


def live_patience(event: ev.Event) -> cmd.Command | None:
    if isinstance(event, ev.PhaseStarted) and event.phase == "head":
        return cmd.SetPatience(patience=42)
    return stop_in("head", 2, "train")(event)


def patience_at_the_end_of_head(folder: RunFolder) -> int:
    epochs = fold(replay(folder.journal)[0]).phases["head"].epochs
    return epochs[-1].result.patience


def test_a_live_change_survives(photos: Path, tmp_path: Path) -> None:
    folder = run(EngineThread(small_config(photos), tmp_path), live_patience)
    go_on(folder)
    assert patience_at_the_end_of_head(folder) == 42


def test_what_is_set_on_resume_wins_over_a_live_change(photos: Path, tmp_path: Path) -> None:
    folder = run(EngineThread(small_config(photos), tmp_path), live_patience)
    go_on(folder, "phases.head.early_stopping.patience=5")
    assert patience_at_the_end_of_head(folder) == 5
    resumed = [r.event for r in replay(folder.journal)[0] if isinstance(r.event, ev.RunResumed)]
    assert resumed[0].changes == {"phases.head.early_stopping.patience": 5}


@pytest.mark.parametrize("key", ["seed=3", "data.batch_size=4", "model.name=convnext_atto"])
def test_what_would_make_it_another_run_is_refused(key: str, unbroken: RunFolder) -> None:
    with pytest.raises(SetupError, match="another run"):
        plan_resumption(unbroken, [key])


def test_a_finished_run_goes_on_with_more_epochs_only(photos: Path, tmp_path: Path) -> None:
    folder = run(EngineThread(small_config(photos, "phases.full.epochs=1"), tmp_path))
    assert "is finished" in go_on(folder).reason
    assert go_on(folder, "phases.full.epochs=2").outcome == "finished"
    assert len(history(folder)) == 4


def test_a_run_that_trains_is_refused_with_who_holds_it(photos: Path, tmp_path: Path) -> None:
    folder = run(EngineThread(small_config(photos), tmp_path), stop_in("head", 1, "train"))
    lock = RunLock(folder)
    result = go_on(folder)
    lock.release()
    assert result.exit_code == 2
    assert "is being trained by process" in result.reason


def test_changed_data_is_listed_and_refused_unless_accepted(tmp_path: Path) -> None:
    root = make_images(tmp_path / "photos", classes=2, per_class=8)
    folder = run(EngineThread(small_config(root), tmp_path / "runs"), stop_in("full", 1, "train"))
    pictures = sorted(root.glob("*/*.png"))
    pictures[0].unlink()
    pictures[1].write_bytes(pictures[2].read_bytes())
    pictures[3].rename(root / "class_1" / "moved.png")
    (root / "class_0" / "new.png").write_bytes(pictures[4].read_bytes() + b"more")
    pictures[5].rename(pictures[5].with_name("renamed.png"))
    refused = go_on(folder)
    assert refused.exit_code == 2
    kinds = ("1 missing", "1 new", "1 changed", "1 moved to another class", "1 renamed")
    for what in kinds:
        assert what in refused.reason
    assert go_on(folder, accept=True).outcome == "finished"
    split = pd.read_csv(folder.split)
    assert len(split) == 16
    assert "class_1/moved.png" in set(split["path"])


def test_touched_files_with_the_same_content_are_no_change(photos: Path, tmp_path: Path) -> None:
    root = make_images(tmp_path / "photos", classes=2, per_class=8)
    folder = run(EngineThread(small_config(root), tmp_path / "runs"), stop_in("full", 1, "train"))
    for path in root.glob("*/*.png"):
        path.touch()
    assert go_on(folder).outcome == "finished"


def test_a_run_is_found_by_id_prefix_and_path(unbroken: RunFolder, tmp_path: Path) -> None:
    runs_dir = unbroken.path.parent
    for text in (unbroken.id, unbroken.id[:10], str(unbroken.path)):
        assert find_run(runs_dir, text).id == unbroken.id
    with pytest.raises(SetupError, match="no run 'nothing'"):
        find_run(runs_dir, "nothing")
