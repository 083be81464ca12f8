"""The learning rate range test with the real engine, on small images."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from core.analysis.lr_range import RangeTestFailed
from core.common.errors import SetupError
from core.config.load import load_config
from core.config.schema import Config
from core.events import types as ev
from core.run.folder import RunFolder
from core.session.lr_find import LrRangeTest, find_lr
from core.training import lr_range_test, train_state
from core.training.engine import Engine
from tests.core.engine_kit import small_config

FEATURES = "phases.head.views=1"


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def config(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return small_config(photos, FEATURES)


@pytest.mark.parametrize("phase", ["head", "full"])
def test_the_same_seed_gives_the_same_test_and_leaves_no_files(
    config: Config, phase: str, tmp_path: Path
) -> None:
    first, second = (find_lr(config, phase, steps=30).to_dict() for _ in range(2))
    assert first == second
    assert first["end"] in ("diverged", "steps")
    assert len(first["loss"]) == len(first["lr"]) == len(first["smoothed"]) > 3
    assert first["configured"] == {"head": 1e-3, "full": 1e-4}[phase]
    assert files(tmp_path) == ["temporary"]


def test_another_seed_gives_another_test(config: Config, photos: Path) -> None:
    other = small_config(photos, FEATURES, "seed=5")
    assert find_lr(config, steps=20).curve.losses != find_lr(other, steps=20).curve.losses


def test_the_first_loss_is_that_of_a_run(config: Config, trained: Path, photos: Path) -> None:
    """A step at a rate of nearly zero has the loss of the run's first step."""
    from core import fit

    losses: list[float] = []
    fit(
        small_config(photos, FEATURES, "phases.full.epochs=0", "phases.head.epochs=1"),
        runs_dir="runs",
        on_event=lambda event: (
            losses.append(event.recent_loss)
            if isinstance(event, ev.Progress) and event.stage == "train"
            else None
        ),
    )
    assert find_lr(config, "head", steps=20).curve.losses[0] == losses[0]


def test_rates_are_those_of_the_steps(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    step = train_state.step_if_finite

    def spy(optimizer: torch.optim.Optimizer, values: torch.Tensor) -> None:
        seen.append(optimizer.param_groups[0]["lr"])
        step(optimizer, values)

    monkeypatch.setattr(train_state, "step_if_finite", spy)
    cosine = {"phases.head.scheduler.kind": "cosine", "phases.head.warmup_epochs": 1.0}
    config = load_config("default", values={**_flat(config), **cosine})
    test = find_lr(config, "head", steps=20, min_lr=1e-5, max_lr=1e-3)
    assert seen == pytest.approx(test.curve.rates)
    assert (seen[0], seen[-1]) == pytest.approx((1e-5, 1e-3))


def _flat(config: Config) -> dict[str, object]:
    from core.common.nested import flatten

    return flatten(config.model_dump())


def test_the_weights_of_the_model_are_restored(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    models: list[nn.Module] = []
    before: list[dict[str, torch.Tensor]] = []
    init = Engine.__init__

    def remember(self: Engine, **options: object) -> None:
        init(self, **options)  # type: ignore[arg-type]
        models.append(self.model)
        before.append({name: value.clone() for name, value in self.model.state_dict().items()})

    monkeypatch.setattr(Engine, "__init__", remember)
    find_lr(config, "full", steps=20)
    after = models[0].state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before[0].items())
    assert all(parameter.grad is None for parameter in models[0].parameters())


def test_phase_full_starts_where_it_would_start_in_a_run(
    config: Config, trained: Path, photos: Path
) -> None:
    def start(config: Config, run: Path | None = None) -> LrRangeTest:
        return find_lr(config, "full", steps=20, start=RunFolder(run) if run else None)

    quick = start(config)
    assert quick.start == "a classifier head trained for 2 epochs"
    skipped = start(small_config(photos, "phases.head.epochs=0"))
    assert skipped.start == "the initial weights, as phase head is skipped"
    given = start(load_config(trained / "config.yaml"), trained)
    assert given.start == f"run {trained.name} (best-head.pt)"
    assert given.configured == 0.003
    assert given.curve.losses[0] < quick.curve.losses[0] < skipped.curve.losses[0]


def test_the_phase_is_the_first_one_that_is_not_skipped(photos: Path) -> None:
    assert find_lr(small_config(photos, "phases.head.epochs=0"), steps=20).phase == "full"
    with pytest.raises(SetupError, match=r"^phases\.head\.epochs is 0, so phase head is skipped"):
        find_lr(small_config(photos, "phases.head.epochs=0"), "head")


def test_a_run_that_does_not_fit_is_refused(
    config: Config, trained: Path, photos: Path, tmp_path: Path
) -> None:
    run = RunFolder(trained)
    with pytest.raises(SetupError, match=r"^--from is for phase full"):
        find_lr(config, "head", start=run)
    with pytest.raises(SetupError, match="has model test_convnext, the configuration test_vit"):
        find_lr(small_config(photos, "model.name=test_vit"), "full", start=run)
    other = shutil.copytree(photos, tmp_path / "other")
    (other / "class_0").rename(other / "renamed")
    with pytest.raises(SetupError, match=r"the classes of .*other differ from those of run"):
        find_lr(small_config(other), "full", start=run)


def test_few_images_are_noted(config: Config) -> None:
    assert find_lr(config, steps=20, max_lr=1e-3).note.startswith("the test used each of 30")


def test_weights_that_are_not_finite_are_an_error(config: Config, photos: Path) -> None:
    infinite = small_config(photos, FEATURES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lr_range_test, "_step", lambda *arguments: float("nan"))
        with pytest.raises(RangeTestFailed, match="is not finite in the first step"):
            find_lr(infinite, steps=20)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_text("none"), r"^no training image can be read$"),
        (lambda path: path.unlink(), r"png can't be read: No such file or directory$"),
    ],
    ids=["damaged", "removed"],
)
def test_images_that_get_lost_are_an_error(
    photos: Path, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    copy = shutil.copytree(photos, tmp_path / "photos")

    def change(event: ev.Event) -> None:
        if isinstance(event, ev.ModelReady):
            for path in copy.rglob("*.*"):
                damage(path)

    lost = small_config(copy, "cache.max_gb=0", "data.decode_once=false")
    with pytest.raises(RangeTestFailed, match=message):
        find_lr(lost, steps=20, on_event=change)


def test_too_little_memory_is_an_error(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise torch.cuda.OutOfMemoryError

    monkeypatch.setattr("core.training.batch_computer.micro_batches.backward", fail)
    with pytest.raises(RangeTestFailed, match="out of memory with a single image"):
        find_lr(config, steps=20)
