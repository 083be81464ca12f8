"""Failures during training: non-finite losses, short memory, dead workers, lost files."""

import math
import os
import signal
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import torch

from core.events import commands as cmd
from core.events import types as ev
from core.training.checkpoints import writer as checkpoint
from core.training.engine import Engine
from core.training.train_state import MAX_ROLLBACKS
from tests.core.engine_kit import load, same, scores, small_config, train
from tests.make_images import make_images

pytestmark = pytest.mark.usefixtures("forked_interpreter")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("photos"), classes=3, per_class=10)


def run_engine(engine: object) -> Engine:
    assert isinstance(engine, Engine)
    return engine


def images_of(engine: object) -> list[str]:
    return run_engine(engine).phase_inputs["head"].train.dataset.paths


class NanOutputs:
    """Makes the model's output NaN in chosen forward passes of training."""

    def __init__(self, steps: set[int]) -> None:
        self.steps = steps
        self.calls = 0

    def __call__(self, event: ev.Event, engine: object, send: object) -> None:
        if isinstance(event, ev.PhaseStarted) and event.phase == "head":
            run_engine(engine).model.register_forward_hook(self._spoil)

    def _spoil(self, module: torch.nn.Module, inputs: object, output: torch.Tensor):
        if not torch.is_grad_enabled():
            return output
        self.calls += 1
        return output * math.nan if self.calls in self.steps else output


def test_a_step_with_nan_changes_no_weights_and_its_files_are_listed(
    photos: Path, tmp_path: Path
) -> None:
    run = train(small_config(photos), tmp_path, NanOutputs({2}))
    warned = run.of(ev.Warned)
    nonfinite = [w for w in warned if w.code == "nonfinite-loss"]
    assert len(nonfinite) == 1
    assert len(nonfinite[0].files) == 8
    assert all((photos / name).is_file() for name in nonfinite[0].files)
    assert run.ended.outcome == "finished"
    assert all(torch.isfinite(v).all() for v in run.weights("last.pt").values())
    assert all(math.isfinite(e.train_loss) for e in run.of(ev.EpochEnded))


def test_a_run_fails_after_too_many_nan_steps_in_a_row(photos: Path, tmp_path: Path) -> None:
    config = small_config(photos, "nonfinite_limit=3")
    run = train(config, tmp_path, NanOutputs(set(range(2, 99))))
    assert run.ended.outcome == "failed"
    assert "not finite in 3 steps" in run.ended.reason
    assert len([w for w in run.of(ev.Warned) if w.code == "nonfinite-loss"]) == 3
    assert all(torch.isfinite(v).all() for v in run.weights("last.pt").values())


def test_an_image_that_disappears_ends_the_run_with_a_checkpoint(tmp_path: Path) -> None:
    root = make_images(tmp_path / "photos", classes=2, per_class=6)

    def remove(event: ev.Event, engine: object, send: object) -> None:
        if isinstance(event, ev.PhaseStarted) and event.phase == "full":
            (root / images_of(engine)[0]).unlink()

    run = train(small_config(root, "data.decode_once=false"), tmp_path / "runs", remove)
    assert run.ended.outcome == "failed"
    assert f"{images_of(run.engine)[0]} can't be read: No such file" in run.ended.reason
    assert load(run.folder.checkpoints / "last.pt")["train_state"]["phase"] == "full"


def test_an_image_that_is_damaged_is_left_out_and_reported_once(tmp_path: Path) -> None:
    root = make_images(tmp_path / "photos", classes=2, per_class=6)

    def damage(event: ev.Event, engine: object, send: object) -> None:
        if isinstance(event, ev.PhaseStarted) and event.phase == "head":
            (root / images_of(engine)[0]).write_bytes(b"damaged")

    run = train(small_config(root), tmp_path / "runs", damage)
    warned = [w for w in run.of(ev.Warned) if w.code == "unreadable-file"]
    assert [w.files for w in warned] == [[images_of(run.engine)[0]]]
    assert run.ended.outcome == "finished"


class LimitedMemory:
    """Makes the model run out of memory with more than this many images at once."""

    def __init__(self, images: int) -> None:
        self.images = images
        self.installed = False

    def __call__(self, event: ev.Event, engine: object, send: object) -> None:
        if isinstance(event, ev.PhaseStarted) and not self.installed:
            self.installed = True
            run_engine(engine).model.register_forward_pre_hook(self._check)

    def _check(self, module: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
        if len(inputs[0]) > self.images:
            raise torch.cuda.OutOfMemoryError("injected")


def test_out_of_memory_halves_the_micro_batch_and_keeps_the_batch_size(
    photos: Path, tmp_path: Path
) -> None:
    plain = train(small_config(photos), tmp_path / "plain")
    short = train(small_config(photos), tmp_path / "short", LimitedMemory(3))
    warned = [w for w in short.of(ev.Warned) if w.code == "out-of-memory"]
    assert ["to 4 images" in w.message or "to 2 images" in w.message for w in warned[:2]] == [
        True
    ] * 2
    assert short.ended.outcome == "finished"
    losses = [
        [e.train_loss for e in run.of(ev.EpochEnded)] + [e.val_loss for e in run.of(ev.EpochEnded)]
        for run in (plain, short)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_out_of_memory_with_one_image_fails_the_run(photos: Path, tmp_path: Path) -> None:
    run = train(small_config(photos), tmp_path, LimitedMemory(0))
    assert run.ended.outcome == "failed"
    assert "out of memory with a single image" in run.ended.reason
    state = load(run.folder.checkpoints / "last.pt")["train_state"]
    assert (state["phase"], state["epoch"], state["step"]) == ("head", 1, 0)


def test_policy_stop_fails_the_run_at_the_first_non_finite_loss(
    photos: Path, tmp_path: Path
) -> None:
    run = train(small_config(photos, "nonfinite=stop"), tmp_path, NanOutputs({2}))
    assert (run.ended.outcome, run.ended.reason) == ("failed", "the loss was not finite")
    assert load(run.folder.checkpoints / "last.pt")["train_state"]["step"] == 2


def rollbacks(run) -> list[str]:
    return [w.message for w in run.of(ev.Warned) if w.code == "rollback"]


def test_rollback_restores_the_initial_weights_before_there_is_a_best(
    photos: Path, tmp_path: Path
) -> None:
    before: list[dict[str, torch.Tensor]] = []
    spoil = NanOutputs({2, 3})

    def watch(event: ev.Event, engine: object, send: object) -> None:
        if isinstance(event, ev.PhaseStarted) and event.phase == "head":
            before.append(checkpoint_of(run_engine(engine)))
        if isinstance(event, ev.Warned) and event.code == "rollback":
            before.append(checkpoint_of(run_engine(engine)))
        spoil(event, engine, send)

    config = small_config(photos, "nonfinite=rollback", "nonfinite_limit=2")
    run = train(config, tmp_path, watch)
    assert run.ended.outcome == "finished"
    assert len(rollbacks(run)) == 1
    assert "the initial weights of the phase, with lr 0.0005" in rollbacks(run)[0]
    assert same(*before)


def checkpoint_of(engine: Engine) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in engine.model.state_dict().items()}


def test_rollback_restores_the_best_epoch(photos: Path, tmp_path: Path) -> None:
    # With three steps per epoch, the spoiled ones are in epoch 3; the best is epoch 1.
    seen: list[dict[str, torch.Tensor]] = []
    spoil = NanOutputs({8, 9})

    def watch(event: ev.Event, engine: object, send: object) -> None:
        if isinstance(event, ev.Warned) and event.code == "rollback":
            seen.append(checkpoint_of(run_engine(engine)))
        spoil(event, engine, send)

    options = ("nonfinite=rollback", "nonfinite_limit=2", "phases.head.epochs=3")
    config = small_config(photos, *options, "phases.full.epochs=0")
    run = train(config, tmp_path, watch, scores(0.9, 0.5, 0.5))
    assert "the weights of epoch 1" in rollbacks(run)[0]
    assert same(seen[0], run.weights("best.pt"))


def test_a_run_fails_after_too_many_rollbacks(photos: Path, tmp_path: Path) -> None:
    options = ("nonfinite=rollback", "nonfinite_limit=1", "phases.head.epochs=9")
    run = train(small_config(photos, *options), tmp_path, NanOutputs(set(range(2, 99))))
    assert run.ended.outcome == "failed"
    assert len(rollbacks(run)) == MAX_ROLLBACKS
    assert all(torch.isfinite(v).all() for v in run.weights("last.pt").values())


def test_a_killed_loader_worker_fails_the_run_with_a_checkpoint(
    photos: Path, tmp_path: Path
) -> None:
    def kill(event: ev.Event, engine: object, send: object) -> None:
        if isinstance(event, ev.Progress) and (event.phase, event.epoch) == ("full", 2):
            for child in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):  # zombies of earlier tests
                    if "forkserver" in " ".join(child.cmdline()) and child.children() == []:
                        os.kill(child.pid, signal.SIGKILL)

    config = small_config(photos, "data.workers=1", "phases.full.epochs=9", "data.batch_size=2")
    run = train(config, tmp_path, kill)
    assert run.ended.outcome == "failed"
    assert "a data loader worker died" in run.ended.reason
    state = load(run.folder.checkpoints / "last.pt")["train_state"]
    assert (state["phase"], state["global_step"]) == ("full", run.engine.global_step)


def test_a_slow_disk_delays_no_step(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first checkpoint is still being written when the steps of the next epoch are finished."""
    import threading

    real, trained = checkpoint.write_checkpoint, threading.Event()
    written_after: list[bool] = []

    def slow(*arguments, **named):
        written_after.append(trained.wait(60))
        return real(*arguments, **named)

    def watch(event: ev.Event, engine: object, send: object) -> None:
        if isinstance(event, ev.EpochEnded) and event.epoch == 2:
            trained.set()

    monkeypatch.setattr(checkpoint, "write_checkpoint", slow)
    run = train(small_config(photos), tmp_path, watch)
    assert run.ended.outcome == "finished"
    assert all(written_after)


@pytest.mark.parametrize(("keep", "left"), [("null", 5), ("2", 2)])
def test_all_manual_checkpoints_are_kept_unless_limited(
    keep: str, left: int, photos: Path, tmp_path: Path
) -> None:
    def save(event: ev.Event, engine: object, send) -> None:
        if isinstance(event, ev.Progress) and event.stage == "train" and event.phase == "head":
            send(cmd.SaveCheckpoint())

    options = (f"checkpoint.keep_manual={keep}", "phases.head.epochs=3", "phases.full.epochs=0")
    run = train(small_config(photos, *options), tmp_path, save)
    saved = [e for e in run.of(ev.CheckpointSaved) if e.kind == "manual"]
    files = sorted(p.name for p in run.folder.checkpoints.glob("manual-*.pt"))
    assert len(saved) >= 5
    assert len(files) == (len(saved) if keep == "null" else left)
    newest = sorted(Path(e.path).name for e in saved[-len(files) :])
    assert files == newest
    assert len(list(run.folder.checkpoints.glob("manual-*.sha256"))) == len(files)


@pytest.mark.parametrize("wanted", [True, False])
def test_deterministic_sets_the_switch_of_torch(wanted: bool, photos: Path, tmp_path: Path) -> None:
    train(small_config(photos, f"deterministic={str(wanted).lower()}"), tmp_path)
    assert torch.are_deterministic_algorithms_enabled() is wanted
