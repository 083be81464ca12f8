"""Gradual unfreezing: one more stage is trained after each number of epochs."""

from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from core.config.load import ConfigError
from core.events import types as ev
from core.model.unfreezing import stages, trained_stages
from tests.core.engine_kit import Trained, small_config, train
from tests.core.plain_loop import train_plainly
from tests.make_images import make_images

FULL = ("phases.head.epochs=0", "phases.full.epochs=3", "phases.full.scheduler.patience=1000")
STEM, LAST = "stem.0.weight", "stages.3.blocks.0.mlp.fc1.weight"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_images(tmp_path_factory.mktemp("photos"), classes=3, per_class=10, size=32)


def changed_after(photos: Path, folder: Path, epochs: int, unfreeze: object) -> set[str]:
    """Return the weights that differ from the initial ones after some epochs."""
    first: dict[str, torch.Tensor] = {}

    def remember(event: ev.Event, engine: object, send: object) -> None:
        if isinstance(event, ev.PhaseStarted):
            model = engine.model  # type: ignore[attr-defined]
            first.update({name: value.clone() for name, value in model.state_dict().items()})

    config = small_config(
        photos, *FULL, f"phases.full.unfreeze={unfreeze}", f"phases.full.epochs={epochs}"
    )
    trained: Trained = train(config, folder, remember)
    last = trained.weights("last.pt")
    return {name for name, value in first.items() if not torch.equal(value, last[name])}


def test_the_last_stage_is_trained_first_and_the_stem_last(photos: Path, tmp_path: Path) -> None:
    of_two = changed_after(photos, tmp_path / "2", 2, 2)
    assert LAST in of_two and "head.fc.weight" in of_two
    assert not [name for name in of_two if not name.startswith(("stages.3", "head"))]
    of_five = changed_after(photos, tmp_path / "5", 5, 1)
    assert STEM in of_five
    assert STEM not in changed_after(photos, tmp_path / "4", 4, 1)
    assert STEM in changed_after(photos, tmp_path / "all", 1, "all")


def test_losses_equal_those_of_a_plain_loop(photos: Path, tmp_path: Path) -> None:
    config = small_config(photos, *FULL, "phases.full.unfreeze=1")

    def freeze(model: nn.Module, epoch: int) -> None:
        trained = ("head", *(f"stages.{number}" for number in range(4 - epoch, 4)))
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.startswith(trained))

    found = [(e.train_loss, e.val_loss) for e in train(config, tmp_path).of(ev.EpochEnded)]
    expected = train_plainly(config, on_epoch=freeze)
    assert found == [pytest.approx(pair, abs=1e-5) for pair in expected]


def test_frozen_stages_keep_their_batch_norm(photos: Path, tmp_path: Path) -> None:
    config = small_config(
        photos, *FULL, "model.name=test_resnet", "phases.full.unfreeze=9", "data.micro_batch_size=4"
    )
    trained = train(config, tmp_path)
    fresh = timm.create_model("test_resnet", num_classes=3).state_dict()
    last = trained.weights("last.pt")
    means = {n: v for n, v in last.items() if n.endswith("running_mean")}
    assert torch.equal(means["bn1.running_mean"], fresh["bn1.running_mean"])
    assert not torch.equal(means["layer4.0.bn1.running_mean"], fresh["layer4.0.bn1.running_mean"])


@pytest.mark.parametrize(
    ("unfreeze", "epoch", "stages_trained"),
    [("all", 1, 5), (1, 1, 1), (1, 3, 3), (1, 9, 5), (2, 2, 1), (2, 3, 2), (3, 7, 3)],
)
def test_number_of_stages_of_an_epoch(unfreeze: str | int, epoch: int, stages_trained: int) -> None:
    assert trained_stages(unfreeze, epoch, 5) == stages_trained


@pytest.mark.parametrize("name", ["test_convnext", "test_resnet", "test_vit"])
def test_stages_hold_every_parameter_once(name: str) -> None:
    model = timm.create_model(name, num_classes=3)
    found = [parameter for stage in stages(model) for parameter in stage]
    assert sorted(found) == sorted(parameter for parameter, _ in model.named_parameters())
    assert len(stages(model)) > 1


@pytest.mark.parametrize("value", ["some", "0", "-1", "1.5", "null"])
def test_other_values_are_refused(value: str) -> None:
    with pytest.raises(ConfigError, match=r"^phases\.full\.unfreeze is .*expected all or a"):
        small_config(Path(), f"phases.full.unfreeze={value}")
