"""Resume: a run that was interrupted at any point ends like one that was not."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from core.common.errors import SetupError
from core.config.load import load_config
from core.events import commands as cmd
from core.events import types as ev
from core.events.journal import replay
from core.run.find import find_run
from core.run.folder import RunFolder
from core.run.lock import RunLock
from core.run.state import fold
from core.session.engine_thread import EngineResult, EngineThread
from core.session.resume import Resumption, plan_resumption, refuse_finished
from tests.core.engine_kit import load, same, small_config
from tests.make_images import make_images
from tests.stages import slow_except
from tests.tui import scripted


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("photos"), classes=3, per_class=10)


@pytest.fixture(scope="module")
def uninterrupted(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return run(EngineThread(small_config(photos), tmp_path_factory.mktemp("uninterrupted")))


def run(
    engine: EngineThread, react: Callable[[ev.Event], cmd.Command | None] = lambda e: None
) -> RunFolder:
    """Train to the end. `react` is called with each event in the engine thread and may return a
    command, which applies before the next step."""

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


def resume_run(
    folder: RunFolder, *overrides: str, accept: bool = False, data: Path | None = None
) -> EngineResult:
    resumption = plan_resumption(folder, overrides, accept, data and str(data))
    engine = EngineThread(resumption.config, folder.path.parent, resumption=resumption)
    engine.start()
    result = engine.join(120)
    assert result is not None
    return result


def crash_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the engine fail in the step after this many."""
    from core.training.engine import Engine

    step = Engine.step

    def dying(self: Engine, state, batch, seed):
        if self.global_step == steps:
            raise RuntimeError("simulated crash")
        return step(self, state, batch, seed)

    monkeypatch.setattr(Engine, "step", dying)


def history(folder: RunFolder) -> pd.DataFrame:
    times = ["seconds", "images_per_second", "data_wait"]
    return pd.read_csv(folder.history).drop(columns=times)


def assert_same_end(folder: RunFolder, uninterrupted: RunFolder) -> None:
    for name in ("best.pt", "best-head.pt", "best-full.pt", "last.pt"):
        a, b = load(folder.checkpoints / name), load(uninterrupted.checkpoints / name)
        assert same(a["model"], b["model"]), name
        assert a.get("metrics") == b.get("metrics")
    pd.testing.assert_frame_equal(history(folder), history(uninterrupted))
    states = [fold(replay(f.journal)[0]) for f in (folder, uninterrupted)]
    emitted = [[(p.x, p.result.phase, p.result.epoch) for p in s.epochs] for s in states]
    assert emitted[0] == emitted[1]
    assert states[0].status == "finished"


# 24 training images in batches of 8: 3 steps per epoch, 2 + 2 epochs, 12 steps in total.
@pytest.mark.parametrize("steps", slow_except(range(1, 12), 2, 6, 10))
def test_a_run_resumed_after_a_crash_in_any_step_equals_an_uninterrupted_one(
    steps: int,
    photos: Path,
    tmp_path: Path,
    uninterrupted: RunFolder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = small_config(photos, "checkpoint.every_minutes=0.000001")
    with monkeypatch.context() as patch:
        crash_after(steps, patch)
        folder = run(EngineThread(config, tmp_path))
    assert resume_run(folder).outcome == "finished"
    assert_same_end(folder, uninterrupted)


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
def test_a_run_resumed_after_a_stop_equals_an_uninterrupted_one(
    phase: str, stage: str, photos: Path, tmp_path: Path, uninterrupted: RunFolder
) -> None:
    folder = run(EngineThread(small_config(photos), tmp_path), stop_in(phase, 1, stage))
    assert resume_run(folder).outcome == "finished"
    assert_same_end(folder, uninterrupted)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "foreign", "no checksum"])
def test_a_damaged_checkpoint_is_reported_and_the_previous_one_used(
    damage: str, photos: Path, tmp_path: Path, uninterrupted: RunFolder
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
    assert resume_run(folder).outcome == "finished"
    warned = [r.event for r in replay(folder.journal)[0] if isinstance(r.event, ev.Warned)]
    assert [w.code for w in warned] == ["checkpoint"]
    assert "last.pt" in warned[0].message
    assert "last-previous.pt is used instead" in warned[0].message
    assert_same_end(folder, uninterrupted)


def test_temporary_files_of_a_killed_process_are_removed(photos: Path, tmp_path: Path) -> None:
    folder = run(EngineThread(small_config(photos), tmp_path), stop_in("full", 1, "train"))
    left = [folder.checkpoints / ".last.pt.4711.tmp", folder.path / ".history.csv.4711.tmp"]
    for path in left:
        path.write_bytes(b"half")
    assert resume_run(folder).outcome == "finished"
    assert not list(folder.path.rglob(".*.tmp"))


def test_damaged_best_files_are_written_again(
    photos: Path, tmp_path: Path, uninterrupted: RunFolder
) -> None:
    folder = run(EngineThread(small_config(photos), tmp_path), stop_in("full", 2, "train"))
    for name in ("best.pt", "best-full.pt"):
        (folder.checkpoints / name).write_bytes(b"spoilt")
    assert resume_run(folder).outcome == "finished"
    assert_same_end(folder, uninterrupted)


def test_a_run_without_an_intact_checkpoint_is_refused_and_not_changed(
    photos: Path, tmp_path: Path
) -> None:
    folder = run(EngineThread(small_config(photos), tmp_path), stop_in("head", 1, "train"))
    for path in folder.checkpoints.glob("*.pt"):
        path.write_bytes(b"spoilt")
    before = folder.journal.read_bytes()
    result = resume_run(folder)
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
    resume_run(folder)
    assert patience_at_the_end_of_head(folder) == 42


def test_keys_set_on_resume_override_a_live_change(photos: Path, tmp_path: Path) -> None:
    folder = run(EngineThread(small_config(photos), tmp_path), live_patience)
    resume_run(folder, "phases.head.early_stopping.patience=5")
    assert patience_at_the_end_of_head(folder) == 5
    resumed = [r.event for r in replay(folder.journal)[0] if isinstance(r.event, ev.RunResumed)]
    assert resumed[0].changes == {"phases.head.early_stopping.patience": 5}


@pytest.mark.parametrize("key", ["seed=3", "data.batch_size=4", "model.name=convnext_atto"])
def test_keys_that_define_the_run_cannot_change_on_resume(
    key: str, uninterrupted: RunFolder
) -> None:
    with pytest.raises(SetupError, match="a different run"):
        plan_resumption(uninterrupted, [key])


def test_a_finished_run_can_only_be_resumed_with_more_epochs(photos: Path, tmp_path: Path) -> None:
    folder = run(EngineThread(small_config(photos, "phases.full.epochs=1"), tmp_path))
    assert "is finished" in resume_run(folder).reason
    assert resume_run(folder, "phases.full.epochs=2").outcome == "finished"
    assert len(history(folder)) == 4


def test_resuming_a_running_run_is_refused_with_its_process(photos: Path, tmp_path: Path) -> None:
    folder = run(EngineThread(small_config(photos), tmp_path), stop_in("head", 1, "train"))
    lock = RunLock(folder)
    result = resume_run(folder)
    lock.release()
    assert result.exit_code == 2
    assert "is being trained by process" in result.reason


def test_changed_data_is_listed_and_refused_unless_accepted(tmp_path: Path) -> None:
    root = make_images(tmp_path / "photos", classes=2, per_class=8)
    folder = run(EngineThread(small_config(root), tmp_path / "runs"), stop_in("full", 1, "train"))
    images = sorted(root.glob("*/*.png"))
    images[0].unlink()
    images[1].write_bytes(images[2].read_bytes())
    images[3].rename(root / "class_1" / "moved.png")
    (root / "class_0" / "new.png").write_bytes(images[4].read_bytes() + b"more")
    images[5].rename(images[5].with_name("renamed.png"))
    refused = resume_run(folder)
    assert refused.exit_code == 2
    kinds = ("1 missing", "1 new", "1 changed", "1 moved to another class", "1 renamed")
    for what in kinds:
        assert what in refused.reason
    assert resume_run(folder, accept=True).outcome == "finished"
    split = pd.read_csv(folder.split)
    assert len(split) == 16
    assert "class_1/moved.png" in set(split["path"])


def test_touched_files_with_equal_content_are_unchanged(photos: Path, tmp_path: Path) -> None:
    root = make_images(tmp_path / "photos", classes=2, per_class=8)
    folder = run(EngineThread(small_config(root), tmp_path / "runs"), stop_in("full", 1, "train"))
    for path in root.glob("*/*.png"):
        path.touch()
    assert resume_run(folder).outcome == "finished"


def test_a_run_is_found_by_id_prefix_and_path(uninterrupted: RunFolder, tmp_path: Path) -> None:
    runs_dir = uninterrupted.path.parent
    for text in (uninterrupted.id, uninterrupted.id[:10], str(uninterrupted.path)):
        assert find_run(runs_dir, text).id == uninterrupted.id
    with pytest.raises(SetupError, match="no run 'nothing'"):
        find_run(runs_dir, "nothing")


@pytest.mark.parametrize(
    ("done", "bad", "reason", "changes", "message"),
    [
        (4, 0, "epochs", {}, "set phases.full.epochs above 4: --set"),
        (3, 2, "early stopping", {}, "set phases.full.early_stopping.patience above 2: --set"),
        (4, 2, "epochs", {}, "epochs above 4 and phases.full.early_stopping.patience above 2"),
        (3, 2, "early stopping", {"phases.full.epochs": 99}, "these changes have no effect; "),
        (4, 0, "epochs", {"phases.full.lr": 0.1}, "these changes have no effect; "),
        (2, 0, "asked", {"phases.full.epochs": 99}, "phase full was ended manually"),
        (4, 0, "epochs", {"phases.full.epochs": 5}, ""),
        (3, 2, "early stopping", {"phases.full.early_stopping.patience": 3}, ""),
    ],
)
def test_a_finished_run_names_what_would_continue_it(
    done: int, bad: int, reason: str, changes: dict[str, Any], message: str
) -> None:
    script = scripted.Script().prepare().phase("full", patience=2, epochs=4)
    for epoch in range(1, done + 1):
        script.epoch("full", epoch, 0.5, 0.9, bad=bad if epoch == done else 0, patience=2)
    script.add(
        ev.PhaseEnded(
            phase="full",
            reason=reason,
            epochs=done,
            seconds=1.0,
            best_epoch=1,
            best_val_top1=0.9,
            best_val_loss=0.5,
        )
    )
    script.add(ev.RunEnded(outcome="finished", reason="all phases done"))
    options = [f"{key}={value}" for key, value in changes.items()]
    config = load_config(
        "default", ["phases.full.epochs=4", "phases.full.early_stopping.patience=2", *options]
    )
    resumption = Resumption(RunFolder(Path("x")), config, changes)
    if not message:
        refuse_finished(fold(script.records), resumption)
        return
    with pytest.raises(SetupError, match=re.escape(message)):
        refuse_finished(fold(script.records), resumption)


def test_images_that_have_moved_are_given_on_resume_and_recorded(tmp_path: Path) -> None:
    root = make_images(tmp_path / "photos", classes=2, per_class=8)
    whole = run(EngineThread(small_config(root), tmp_path / "whole"))
    folder = run(EngineThread(small_config(root), tmp_path), stop_in("head", 1, "train"))
    moved = tmp_path / "elsewhere"
    shutil.copytree(root, moved)  # other modification times
    shutil.rmtree(root)

    with pytest.raises(SetupError, match=r"photos: no such folder; .* resume with --data and"):
        plan_resumption(folder)
    other = make_images(tmp_path / "other", classes=2, per_class=8, seed=5)
    assert "the data has changed" in resume_run(folder, data=other).reason
    assert resume_run(folder, data=moved).outcome == "finished"
    assert load_config(folder.config).data.root == str(moved)
    assert history(folder).equals(history(whole))
