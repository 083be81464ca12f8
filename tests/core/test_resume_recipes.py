"""Resume after a crash with each training option: the results equal those without a crash."""

from pathlib import Path

import pytest

from core.common.errors import SetupError
from core.run.folder import RunFolder
from core.session.engine_thread import EngineThread
from core.session.resume import plan_resumption
from tests.core.engine_kit import same, small_config
from tests.core.test_resume import assert_same_end, crash_after, load, resume_run, run
from tests.make_images import make_images
from tests.stages import slow_except

RECIPES = {
    "cosine": (
        "phases.full.scheduler.kind=cosine",
        "phases.full.warmup_epochs=0.5",
        "phases.head.warmup_epochs=1",
    ),
    "sampler": ("data.balance=sampler", "phases.head.views=1", "phases.head.epochs=3"),
    "mixed": ("phases.full.mixup=0.4", "phases.full.cutmix=1.0"),
    "averaged": ("phases.full.ema=0.9", "phases.full.epochs=3"),
    "by layers": ("phases.full.layer_decay=0.7", "phases.full.scheduler.kind=cosine"),
    "dropping": ("model.drop_path=0.3", "model.dropout=0.2", "model.grad_checkpointing=true"),
    "16 bits": ("precision=fp16", "phases.full.epochs=3"),
    "by stages": ("phases.full.unfreeze=1", "phases.full.epochs=3", "phases.full.optimizer=lion"),
    "monitored": (
        "phases.full.monitor=macro_f1",
        "phases.full.optimizer=adan",
        "phases.full.scheduler.patience=0",
        "phases.full.epochs=3",
    ),
    "weights": ("data.balance=loss", "phases.head.label_smoothing=0.1"),
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes, the last one small: 20 training images in batches of 8, 3 steps per epoch."""
    root = make_images(tmp_path_factory.mktemp("photos"), classes=3, per_class=10)
    for path in sorted((root / "class_2").iterdir())[5:]:
        path.unlink()
    return root


@pytest.fixture(scope="module", params=RECIPES)
def recipe(request: pytest.FixtureRequest) -> tuple[str, ...]:
    return RECIPES[request.param]


@pytest.fixture(scope="module")
def uninterrupted(
    recipe: tuple[str, ...], photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunFolder:
    return run(
        EngineThread(small_config(photos, *recipe), tmp_path_factory.mktemp("uninterrupted"))
    )


@pytest.mark.parametrize("steps", slow_except([5, 8, 11], 8))
def test_a_run_resumed_after_a_crash_equals_an_uninterrupted_one(
    steps: int,
    recipe: tuple[str, ...],
    photos: Path,
    tmp_path: Path,
    uninterrupted: RunFolder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = small_config(photos, *recipe, "checkpoint.every_minutes=0.000001")
    with monkeypatch.context() as patch:
        crash_after(steps, patch)
        folder = run(EngineThread(config, tmp_path))
    assert resume_run(folder).outcome == "finished"
    assert_same_end(folder, uninterrupted)
    ends = [load(f.checkpoints / "last.pt")["train_state"] for f in (folder, uninterrupted)]
    assert ends[0]["scheduler"] == ends[1]["scheduler"]
    averaged = [end["averaged"] or {} for end in ends]
    assert same(*averaged)


def test_each_recipe_changes_the_weights(
    recipe: tuple[str, ...], photos: Path, tmp_path: Path, uninterrupted: RunFolder
) -> None:
    """The test above would be meaningless for options without an effect."""
    sizes = [text for text in recipe if "views" in text or "epochs=" in text]
    plain = run(EngineThread(small_config(photos, *sizes), tmp_path))
    ends = [load(f.checkpoints / "best-full.pt")["model"] for f in (plain, uninterrupted)]
    assert not same(*ends)


@pytest.mark.parametrize(
    "change",
    [
        "data.balance=loss",
        "phases.full.label_smoothing=0.1",
        "phases.full.mixup=0.1",
        "phases.full.cutmix=0.1",
        "phases.full.ema=0.5",
        "phases.full.layer_decay=0.5",
    ],
)
def test_keys_that_define_the_run_cannot_change_on_resume(
    change: str, uninterrupted: RunFolder
) -> None:
    with pytest.raises(SetupError, match="a different run"):
        plan_resumption(uninterrupted, [change])
