import hashlib
import math
from pathlib import Path

import pandas as pd
import pytest
import timm
import torch
from torch.utils.hooks import RemovableHandle

from core.events import commands as cmd
from core.events import types as ev
from core.model.build import build_model, copy_weights
from core.training.metrics import PassResult
from tests.core.engine_kit import load, same, scores, small_config, train
from tests.make_images import make_images


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("photos"), classes=3, per_class=10)


def is_first_step(event: ev.Event, phase: str = "head", epoch: int = 1) -> bool:
    where = (phase, epoch, "train", 1)
    return (
        isinstance(event, ev.Progress)
        and (event.phase, event.epoch, event.stage, event.step) == where
    )


def test_both_phases_run_and_emit_their_events_in_order(photos: Path, tmp_path: Path) -> None:
    run = train(small_config(photos), tmp_path)
    kinds = (ev.PhaseStarted, ev.EpochEnded, ev.PhaseEnded)
    emitted = [
        (type(e).__name__, e.phase, getattr(e, "epoch", None))
        for e in run.events
        if isinstance(e, kinds)
    ]
    assert emitted == [
        (kind, phase, epoch)
        for phase in ("head", "full")
        for kind, epoch in [
            ("PhaseStarted", None),
            ("EpochEnded", 1),
            ("EpochEnded", 2),
            ("PhaseEnded", None),
        ]
    ]
    assert (run.ended.outcome, run.ended.reason) == ("finished", "all phases done")
    assert run.ended.best_val_top1 == max(e.val_top1 for e in run.of(ev.EpochEnded))


def test_a_phase_without_epochs_is_skipped(photos: Path, tmp_path: Path) -> None:
    run = train(small_config(photos, "phases.head.epochs=0"), tmp_path)
    assert [e.phase for e in run.of(ev.PhaseStarted)] == ["full"]


@pytest.mark.parametrize("model", ["test_convnext", "test_resnet"])
def test_phase_head_changes_no_byte_of_the_backbone(
    photos: Path, tmp_path: Path, model: str
) -> None:
    config = small_config(photos, f"model.name={model}", "phases.full.epochs=0")
    before = copy_weights(build_model(config.model, 3, config.seed)[0])
    run = train(config, tmp_path)
    after = copy_weights(run.engine.model)
    classifier = [n for n in before if n.endswith(("fc.weight", "fc.bias"))]
    assert len(classifier) == 2
    assert all(not torch.equal(before[n], after[n]) for n in classifier)
    assert same(
        {n: v for n, v in before.items() if n not in classifier},
        {n: v for n, v in after.items() if n not in classifier},
    )


def test_batch_norm_trains_with_a_last_batch_of_one_image(photos: Path, tmp_path: Path) -> None:
    # 24 training images. At 32 pixels the last feature map is a single pixel.
    run = train(
        small_config(photos, "model.name=test_resnet", "data.batch_size=23"),
        tmp_path,
    )
    assert run.ended.outcome == "finished", run.ended.reason


def test_phase_head_keeps_no_graph_of_the_backbone(photos: Path, tmp_path: Path) -> None:
    needs_grad: dict[str, list[bool]] = {"head": [], "full": []}
    hooks: list[RemovableHandle] = []

    def watch(event: ev.Event, engine: object, send: object) -> None:
        if isinstance(event, ev.PhaseStarted):
            for hook in hooks:
                hook.remove()
            stages = run_engine(engine).model.get_submodule("stages")
            hooks.append(
                stages.register_forward_hook(
                    lambda _m, _i, out: needs_grad[event.phase].append(out.requires_grad)
                )
            )

    train(small_config(photos), tmp_path, watch)
    assert needs_grad["head"] and not any(needs_grad["head"])
    assert any(needs_grad["full"])


def run_engine(engine: object):
    return engine


def test_best_weights_are_a_copy_of_the_best_epoch(photos: Path, tmp_path: Path) -> None:
    at_epoch: dict[int, dict[str, torch.Tensor]] = {}

    def keep(event: ev.Event, engine: object, send: object) -> None:
        if isinstance(event, ev.EpochEnded):
            at_epoch[event.epoch] = copy_weights(run_engine(engine).model)

    config = small_config(photos, "phases.head.epochs=3", "phases.full.epochs=0")
    run = train(config, tmp_path, keep, scores(0.9, 0.5, 0.4))
    assert same(run.weights("best.pt"), at_epoch[1])
    assert same(run.weights("last.pt"), at_epoch[3])
    assert not same(at_epoch[1], at_epoch[3])


def test_phase_full_starts_from_the_best_weights_of_phase_head(
    photos: Path, tmp_path: Path
) -> None:
    at_start: dict[str, dict[str, torch.Tensor]] = {}

    def keep(event: ev.Event, engine: object, send: object) -> None:
        if isinstance(event, ev.PhaseStarted):
            at_start[event.phase] = copy_weights(run_engine(engine).model)

    run = train(small_config(photos), tmp_path, keep, scores(0.9, 0.5, 0.95, 0.6))
    assert same(at_start["full"], run.weights("best-head.pt"))


def test_a_worse_phase_does_not_overwrite_the_best_of_the_run(photos: Path, tmp_path: Path) -> None:
    run = train(small_config(photos), tmp_path, None, scores(0.5, 0.9, 0.7, 0.8))
    assert same(run.weights("best.pt"), run.weights("best-head.pt"))
    assert not same(run.weights("best.pt"), run.weights("best-full.pt"))
    assert [e.best for e in run.of(ev.EpochEnded)] == [True, True, False, False]
    assert [e.phase_best for e in run.of(ev.EpochEnded)] == [True, True, True, True]
    best = (run.ended.best_phase, run.ended.best_epoch, run.ended.best_val_top1)
    assert best == ("head", 2, 0.9)


def test_loss_decides_between_equal_accuracies_and_nan_is_never_better(
    photos: Path, tmp_path: Path
) -> None:
    results = [
        PassResult(loss, top1, 1.0, 10)
        for loss, top1 in [(0.5, 0.8), (0.4, 0.8), (0.6, 0.8), (math.nan, math.nan)]
    ]
    config = small_config(photos, "phases.head.epochs=4", "phases.full.epochs=0")
    run = train(config, tmp_path, None, results)
    assert [e.best for e in run.of(ev.EpochEnded)] == [True, True, False, False]


def test_early_stopping_ends_the_phase(photos: Path, tmp_path: Path) -> None:
    config = small_config(
        photos,
        "phases.head.epochs=9",
        "phases.head.early_stopping.patience=2",
        "phases.full.epochs=1",
    )
    run = train(config, tmp_path, None, scores(0.5, 0.6, 0.6, 0.6, 0.7))
    ended = run.of(ev.PhaseEnded)
    assert [(e.phase, e.reason, e.epochs) for e in ended] == [
        ("head", "early stopping", 4),
        ("full", "epochs", 1),
    ]
    assert [e.bad_epochs for e in run.of(ev.EpochEnded)][:4] == [0, 0, 1, 2]


def test_plateau_lowers_the_learning_rate(photos: Path, tmp_path: Path) -> None:
    config = small_config(
        photos,
        "phases.head.epochs=4",
        "phases.head.lr=0.01",
        "phases.head.scheduler.patience=1",
        "phases.head.scheduler.factor=0.1",
        "phases.full.epochs=0",
    )
    run = train(config, tmp_path, None, scores(0.6, 0.5, 0.5, 0.5))
    lrs = [(e.lr, e.next_lr) for e in run.of(ev.EpochEnded)]
    lower = pytest.approx(0.001)
    assert lrs == [(0.01, 0.01), (0.01, 0.01), (0.01, lower), (lower, lower)]


def test_history_has_one_row_per_epoch_and_opens_in_pandas(photos: Path, tmp_path: Path) -> None:
    run = train(small_config(photos), tmp_path)
    table = pd.read_csv(run.folder.history)
    emitted = run.of(ev.EpochEnded)
    assert list(table["phase"]) == ["head", "head", "full", "full"]
    for column in ("epoch", "train_loss", "val_loss", "val_top1", "val_top5", "lr", "best"):
        assert list(table[column]) == [getattr(e, column) for e in emitted]


def test_checkpoints_load_safely_into_a_plain_timm_model(photos: Path, tmp_path: Path) -> None:
    run = train(small_config(photos), tmp_path)
    content = load(run.folder.checkpoints / "best.pt")
    model = timm.create_model("test_convnext", num_classes=len(content["classes"]))
    model.load_state_dict(content["model"])
    assert content["classes"] == ["class_0", "class_1", "class_2"]
    assert content["config"]["data"]["image_size"] == 32
    state = load(run.folder.checkpoints / "last.pt")["train_state"]
    assert (state["phase"], state["epoch"], state["step"]) == ("full", 3, 0)
    assert state["stopping"]["bad_epochs"] == run.of(ev.EpochEnded)[-1].bad_epochs


def test_each_checkpoint_has_a_checksum_and_no_temporary_file_is_left(
    photos: Path, tmp_path: Path
) -> None:
    run = train(small_config(photos), tmp_path)
    names = {path.name for path in run.folder.checkpoints.iterdir()}
    files = {"best.pt", "best-head.pt", "best-full.pt", "last.pt", "last-previous.pt"}
    assert names == files | {f"{name}.sha256" for name in files}
    for name in files:
        data = (run.folder.checkpoints / name).read_bytes()
        sums = (run.folder.checkpoints / f"{name}.sha256").read_text().split()
        assert sums[0] == hashlib.sha256(data).hexdigest()


def test_loss_is_weighted_by_sample(photos: Path, tmp_path: Path) -> None:
    # 24 training images in batches of 23 and 1: a mean of batch means would be far off.
    config = small_config(
        photos, "data.batch_size=23", "phases.head.epochs=1", "phases.full.epochs=0"
    )
    losses: list[tuple[int, float]] = []

    def watch(event: ev.Event, engine: object, send: object) -> None:
        if isinstance(event, ev.PhaseStarted):
            log = run_engine(engine).step_log
            add = log.add

            def spy(number: int, forwarded, figures: torch.Tensor) -> None:
                losses.append((len(forwarded.labels), figures[0].item()))
                add(number, forwarded, figures)

            log.add = spy

    run = train(config, tmp_path, watch)
    assert [count for count, _ in losses] == [23, 1]
    expected = sum(count * loss for count, loss in losses) / 24
    assert run.of(ev.EpochEnded)[0].train_loss == pytest.approx(expected, rel=1e-6)


def pausing(event: ev.Event, engine: object, send: object) -> None:
    """Pauses in both phases, training and validation, and saves while paused."""
    assert callable(send)
    if isinstance(event, ev.Progress) and event.step == 1:
        send(cmd.Pause())
    if isinstance(event, ev.Paused):
        send(cmd.SaveCheckpoint())
    if isinstance(event, ev.CheckpointSaved) and event.kind == "manual":
        send(cmd.Resume())


def test_pausing_changes_no_byte_of_the_result(photos: Path, tmp_path: Path) -> None:
    plain = train(small_config(photos), tmp_path / "plain")
    paused = train(small_config(photos), tmp_path / "paused", pausing)
    # The command sent with the last step comes too late to pause.
    assert len(paused.of(ev.Paused)) == len(paused.of(ev.Resumed)) == 7
    for name in ("best.pt", "last.pt"):
        assert same(plain.weights(name), paused.weights(name))
    losses = [
        [(e.train_loss, e.val_loss) for e in run.of(ev.EpochEnded)] for run in (plain, paused)
    ]
    assert losses[0] == losses[1]


def test_saving_while_paused_happens_at_once(photos: Path, tmp_path: Path) -> None:
    run = train(small_config(photos), tmp_path, pausing)
    order = [
        type(e).__name__
        for e in run.events
        if isinstance(e, ev.Paused | ev.Resumed)
        or (isinstance(e, ev.CheckpointSaved) and e.kind == "manual")
    ]
    assert order[:3] == ["Paused", "CheckpointSaved", "Resumed"]
    saved = next(e for e in run.of(ev.CheckpointSaved) if e.kind == "manual")
    state = load(run.folder.path / saved.path)["train_state"]
    assert (state["phase"], state["epoch"], state["step"]) == ("head", 1, 1)
    assert len(state["metrics"]) == 4


def send_once(command: cmd.Command, when=is_first_step):
    def act(event: ev.Event, engine: object, send: object) -> None:
        assert callable(send)
        if when(event):
            send(command)

    return act


def test_patience_applies_to_the_next_validation_and_can_end_the_phase(
    photos: Path, tmp_path: Path
) -> None:
    config = small_config(
        photos,
        "phases.head.epochs=9",
        "phases.head.early_stopping.patience=7",
        "phases.full.epochs=0",
    )
    command = cmd.SetPatience(patience=1, phase="head")
    act = send_once(command, lambda event: is_first_step(event, epoch=3))
    run = train(config, tmp_path, act, scores(0.6, 0.5, 0.5, 0.4))
    applied = run.of(ev.CommandApplied)
    assert [(a.id, a.epoch, a.note) for a in applied] == [(command.id, 3, "patience of head 7 → 1")]
    assert run.of(ev.PhaseEnded)[0].reason == "early stopping"
    assert run.of(ev.PhaseEnded)[0].epochs == 3


def test_learning_rate_applies_from_the_next_step_on(photos: Path, tmp_path: Path) -> None:
    run = train(small_config(photos), tmp_path, send_once(cmd.SetLearningRate(lr=0.125)))
    assert run.of(ev.EpochEnded)[0].lr == 0.125
    assert run.of(ev.EpochEnded)[2].lr == 1e-4


def test_ending_a_phase_starts_the_next_one(photos: Path, tmp_path: Path) -> None:
    run = train(small_config(photos), tmp_path, send_once(cmd.EndPhase()))
    assert [(e.phase, e.reason, e.epochs) for e in run.of(ev.PhaseEnded)] == [
        ("head", "asked", 0),
        ("full", "epochs", 2),
    ]


def test_stop_saves_a_checkpoint_at_its_step(photos: Path, tmp_path: Path) -> None:
    def when(event: ev.Event) -> bool:
        return is_first_step(event, phase="full")

    run = train(small_config(photos), tmp_path, send_once(cmd.Stop(), when))
    assert (run.ended.outcome, run.ended.reason) == ("stopped", "asked to stop")
    state = load(run.folder.checkpoints / "last.pt")["train_state"]
    assert (state["phase"], state["epoch"], state["step"]) == ("full", 1, 1)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (cmd.SetPatience(patience=0), "patience must be 1 to 100,000, not 0"),
        (cmd.SetPatience(patience=3, phase="full"), "this is for phase full"),
        (cmd.SetLearningRate(lr=-1.0), "must be above 0"),
        (cmd.SetLearningRate(lr=math.nan), "must be above 0"),
        (cmd.EndPhase(phase="full"), "phase head is running"),
        (cmd.Resume(), "not paused"),
    ],
)
def test_invalid_commands_are_refused(
    photos: Path, tmp_path: Path, command: cmd.Command, reason: str
) -> None:
    config = small_config(photos, "phases.head.epochs=1", "phases.full.epochs=0")
    run = train(config, tmp_path, send_once(command))
    refused = run.of(ev.CommandRefused)
    assert [r.id for r in refused] == [command.id]
    assert reason in refused[0].reason
    assert not run.of(ev.CommandApplied)
