"""Learning rate schedule: plateau, cosine and warm-up, and manual changes."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.lr_scheduler import CosineAnnealingLR, ReduceLROnPlateau

from core.common.errors import SetupError
from core.config.load import with_values
from core.config.phases_section import PhaseConfig
from core.config.schema import Config
from core.events import commands as cmd
from core.events import types as ev
from core.events.journal import replay
from core.events.record import Record
from core.run.state import fold
from core.session.engine_thread import EngineThread
from core.session.resume import plan_resumption
from core.training.lr_schedule import LrSchedule
from tests.core.engine_kit import scores, small_config, train
from tests.core.test_engine import is_first_step
from tests.core.test_resume import history, resume_run, run, stop_in
from tests.make_images import make_images

LR = 0.02
STEPS = 10
COSINE = ("phases.full.scheduler.kind=cosine", "phases.full.warmup_epochs=0.5")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("photos"), classes=3, per_class=10)


def phase(kind: str, epochs: int = 6, warmup: float = 0.0) -> PhaseConfig:
    values = {"scheduler.kind": kind, "scheduler.factor": 0.5, "scheduler.patience": 2}
    values |= {"warmup_epochs": warmup, "epochs": epochs, "lr": LR}
    config = with_values(Config(), {f"phases.full.{key}": v for key, v in values.items()})
    return config.phases.full


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LR)


def rates(schedule: LrSchedule, begin: int, end: int) -> list[float]:
    found = []
    for step in range(begin, end):
        schedule.set_step(step)
        found.append(schedule.lr)
    return found


@given(st.lists(st.floats(0.1, 9), max_size=30))
def test_without_warmup_a_plateau_equals_that_of_torch(losses: list[float]) -> None:
    ours, plain = LrSchedule(phase("plateau"), optimizer(), STEPS), optimizer()
    torchs = ReduceLROnPlateau(plain, factor=0.5, patience=2)
    for epoch, loss in enumerate(losses, 1):
        ours.end_epoch(loss, epoch * STEPS)
        torchs.step(loss)
        assert ours.lr == plain.param_groups[0]["lr"]
        assert ours.bad_epochs == torchs.num_bad_epochs


def test_a_cosine_equals_that_of_torch() -> None:
    ours, plain = LrSchedule(phase("cosine"), optimizer(), STEPS), optimizer()
    torchs = CosineAnnealingLR(plain, T_max=60)
    expected = []
    for _ in range(60):
        expected.append(plain.param_groups[0]["lr"])
        plain.step()
        torchs.step()
    assert rates(ours, 0, 60) == pytest.approx(expected)


@given(st.sampled_from(["plateau", "cosine"]), st.floats(0.01, 5))
def test_a_warmup_rises_linearly_to_the_learning_rate(kind: str, warmup: float) -> None:
    found = rates(LrSchedule(phase(kind, warmup=warmup), optimizer(), STEPS), 0, 60)
    steps = sum(1 for step in range(60) if step < warmup * STEPS)
    rises = [b - a for a, b in zip([0.0, *found], found[:steps], strict=False)]
    assert rises == pytest.approx([LR / (warmup * STEPS + 1)] * steps)
    assert max(found) <= LR and min(found) > 0
    if kind == "plateau":
        assert found[steps:] == [LR] * (60 - steps)
    else:
        assert found[steps:] == sorted(found[steps:], reverse=True)


@given(
    st.sampled_from(["plateau", "cosine"]), st.floats(0, 5), st.integers(0, 60), st.integers(1, 9)
)
def test_a_manual_learning_rate_applies_at_once_and_is_never_exceeded(
    kind: str, warmup: float, step: int, more: int
) -> None:
    schedule = LrSchedule(phase(kind, warmup=warmup), optimizer(), STEPS)
    schedule.set_step(step)
    schedule.set_lr(0.125, step)
    assert schedule.lr == 0.125
    after = rates(schedule, step, 60)
    assert all(0 < lr <= 0.125 for lr in after)
    assert after == ([0.125] * len(after) if kind == "plateau" else sorted(after, reverse=True))
    longer = LrSchedule(phase(kind, epochs=6 + more, warmup=warmup), optimizer(), STEPS)
    longer.load_state_dict(schedule.state_dict())
    assert all(0 < lr <= 0.125 for lr in rates(longer, step, 60 + STEPS * more))


@given(st.sampled_from(["plateau", "cosine"]), st.integers(0, 5), st.booleans())
def test_a_restored_schedule_continues_like_the_original(
    kind: str, epochs: int, by_hand: bool
) -> None:
    config = phase(kind, warmup=1.5)
    ours = LrSchedule(config, optimizer(), STEPS)
    for epoch in range(1, epochs + 1):
        ours.end_epoch(1.0, epoch * STEPS)
    if by_hand:
        ours.set_lr(0.003, epochs * STEPS)
    other = LrSchedule(config, optimizer(), STEPS)
    other.load_state_dict(ours.state_dict())
    for epoch in range(epochs + 1, 9):
        assert rates(ours, epoch * STEPS, 80) == rates(other, epoch * STEPS, 80)
        ours.end_epoch(1.0, epoch * STEPS)
        other.end_epoch(1.0, epoch * STEPS)


def test_a_plateau_during_warmup_lowers_its_target() -> None:
    schedule = LrSchedule(phase("plateau", warmup=4), optimizer(), STEPS)
    for epoch in (1, 2, 3, 4):
        schedule.end_epoch(1.0, epoch * STEPS)
    assert rates(schedule, 40, 42) == [LR / 2, LR / 2]


def test_a_checkpoint_with_only_a_plateau_can_be_resumed() -> None:
    old = ReduceLROnPlateau(optimizer(), factor=0.5, patience=2)
    old.step(1.0)
    old.step(1.0)
    mine = optimizer()
    schedule = LrSchedule(phase("plateau"), mine, STEPS)
    mine.param_groups[0]["lr"] = 0.007  # restored with the optimizer state
    schedule.load_state_dict(old.state_dict())
    schedule.set_step(20)
    assert (schedule.lr, schedule.bad_epochs) == (0.007, 1)


@given(st.floats(1e-4, 1), st.integers(1, 50))
def test_each_group_keeps_its_scale(lr: float, step: int) -> None:
    groups = [
        {"params": [torch.nn.Parameter(torch.zeros(1))], "lr_scale": scale, "lr": LR * scale}
        for scale in (0.25, 0.5, 1.0)
    ]
    both = torch.optim.SGD(groups, lr=LR)
    schedule = LrSchedule(phase("cosine", warmup=1), both, STEPS)
    schedule.set_lr(lr, step)
    schedule.set_step(step + 3)
    assert [g["lr"] for g in both.param_groups] == [schedule.lr * s for s in (0.25, 0.5, 1.0)]
    plateau = LrSchedule(phase("plateau"), both, STEPS)
    for epoch in range(1, 9):
        plateau.end_epoch(1.0, epoch * STEPS)
    assert plateau.lr < LR
    assert [g["lr"] for g in both.param_groups] == [plateau.lr * s for s in (0.25, 0.5, 1.0)]


def emitted(events: list[ev.Event]) -> list[ev.Progress]:
    return [e for e in events if isinstance(e, ev.Progress) and e.stage == "train"]


def test_a_cosine_adds_no_learning_rate_annotations(photos: Path, tmp_path: Path) -> None:
    config = small_config(photos, *COSINE, "phases.head.epochs=0", "phases.full.epochs=4")
    trained = train(config, tmp_path, None, scores(0.5, 0.5, 0.5, 0.5))
    lrs = [e.lr for e in trained.of(ev.EpochEnded)]
    assert lrs == sorted(lrs, reverse=True) and len(set(lrs)) == 4
    assert all(e.lr == e.next_lr for e in trained.of(ev.EpochEnded))
    state = fold(Record(n, float(n), event) for n, event in enumerate(trained.events, 1))
    assert not [mark for mark in state.markers if mark.kind == "lr"]
    started = trained.of(ev.PhaseStarted)[0]
    assert (started.scheduler, started.warmup_epochs) == ("cosine", 0.5)


def test_early_stopping_applies_to_a_cosine(photos: Path, tmp_path: Path) -> None:
    more = ("phases.full.early_stopping.patience=2", "phases.full.epochs=9")
    config = small_config(photos, *COSINE, *more, "phases.head.epochs=0")
    trained = train(config, tmp_path, None, scores(0.5, 0.5, 0.5))
    assert trained.of(ev.PhaseEnded)[0].reason == "early stopping"


def test_a_cosine_falls_from_the_rate_that_a_command_sets(photos: Path, tmp_path: Path) -> None:
    def act(event: ev.Event, engine: object, send: object) -> None:
        if is_first_step(event, "full", 2):
            assert callable(send)
            send(cmd.SetLearningRate(lr=0.5))

    config = small_config(photos, *COSINE, "phases.head.epochs=0", "phases.full.epochs=3")
    events = train(config, tmp_path, act).events
    applied = next(n for n, e in enumerate(events) if isinstance(e, ev.CommandApplied))
    after = [e.lr for e in emitted(events[applied:])]
    assert 0.25 < after[0] <= 0.5
    assert after == sorted(after, reverse=True)


def test_more_epochs_stretch_the_cosine(photos: Path, tmp_path: Path) -> None:
    config = small_config(photos, *COSINE, "phases.head.epochs=0")
    folder = run(EngineThread(config, tmp_path / "short"))
    assert resume_run(folder, "phases.full.epochs=4").outcome == "finished"
    short, lrs = history(folder)["lr"][1], list(history(folder)["lr"][2:])
    whole = small_config(photos, *COSINE, "phases.head.epochs=0", "phases.full.epochs=4")
    other = history(run(EngineThread(whole, tmp_path / "long")))["lr"]
    assert lrs == list(other[2:])
    assert lrs[0] > short


def test_plateau_keys_may_change_on_resume_and_the_scheduler_kind_may_not(
    photos: Path, tmp_path: Path
) -> None:
    folder = run(EngineThread(small_config(photos), tmp_path), stop_in("full", 1, "train"))
    plan_resumption(folder, ["phases.full.scheduler.factor=0.1"])
    for change in ("phases.full.scheduler.kind=cosine", "phases.full.warmup_epochs=1"):
        with pytest.raises(SetupError, match="a different run"):
            plan_resumption(folder, [change])


def test_more_epochs_raise_an_automatic_patience(photos: Path, tmp_path: Path) -> None:
    automatic = "phases.full.early_stopping.patience=auto"
    folder = run(EngineThread(small_config(photos, "phases.head.epochs=0", automatic), tmp_path))
    assert resume_run(folder, "phases.full.epochs=12").outcome == "finished"
    patience = [
        record.event.patience
        for record in replay(folder.journal)[0]
        if isinstance(record.event, ev.EpochEnded)
    ]
    assert patience[:3] == [3, 3, 4]


@pytest.mark.parametrize(
    ("epochs", "warmup", "patience"), [(1, 0.1, 3), (3, 0.3, 3), (10, 1, 3), (30, 3, 10)]
)
def test_automatic_warmup_and_patience_follow_the_number_of_epochs(
    epochs: int, warmup: float, patience: int, photos: Path, tmp_path: Path
) -> None:
    key = "phases.full"
    automatic = (f"{key}.warmup_epochs=auto", f"{key}.early_stopping.patience=auto")
    only_full = ("phases.head.epochs=0", f"{key}.epochs={epochs}", f"{key}.scheduler.kind=cosine")
    config = small_config(photos, *automatic, *only_full)
    full = config.phases.full
    assert (full.warmup, full.patience) == (pytest.approx(warmup), patience)
    if epochs > 3:
        return
    trained = train(config, tmp_path)
    started = trained.of(ev.PhaseStarted)[0]
    assert (started.warmup_epochs, started.patience) == (pytest.approx(warmup), patience)
    rates = [event.lr for event in trained.of(ev.Progress) if event.stage == "train"]
    assert max(rates) <= full.lr
    assert trained.engine.phase_inputs["full"].train.steps == started.steps
