"""Building models, loading weights, freezing the backbone."""

import pickle
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch

from core.config.schema import ModelConfig
from core.model.build import (
    ModelError,
    build_model,
    freeze_backbone,
    load_weights,
    train_mode,
    unfreeze,
)

NAME = "test_convnext"


def plain(**changes: object) -> ModelConfig:
    return ModelConfig(name=NAME, pretrained=False).model_copy(update=changes)


def weights_file(path: Path, classes: int = 7, drop: str = "", add: str = "") -> Path:
    """Save a model's weights as `.safetensors` or with torch.save, by the file's name."""
    torch.manual_seed(5)
    state = timm.create_model(NAME, num_classes=classes).state_dict()
    state = {name: value for name, value in state.items() if not drop or name != drop}
    if add:
        state[add] = torch.zeros(2)
    if path.suffix == ".safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path)
    return path


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "w.pt"])
def test_weights_are_loaded_except_a_classifier_of_other_classes(name: str, tmp_path: Path) -> None:
    file = weights_file(tmp_path / name)
    model, report = build_model(plain(weights=str(file)), 3, seed=1)
    assert (report.missing, report.unused) == ([], [])
    assert str(report) == f"{name}, new classifier (head.fc.weight, head.fc.bias)"
    torch.manual_seed(5)
    original = timm.create_model(NAME, num_classes=7).state_dict()
    for tensor, value in model.state_dict().items():
        assert torch.equal(value, original[tensor]) != tensor.startswith("head.fc."), tensor


def test_a_matching_classifier_is_loaded_too(tmp_path: Path) -> None:
    file = weights_file(tmp_path / "w.pth", classes=3)
    model, report = build_model(plain(weights=str(file)), 3, seed=1)
    assert str(report) == "w.pth"
    assert torch.equal(model.state_dict()["head.fc.bias"], torch.load(file)["head.fc.bias"])


def test_missing_and_unused_tensors_are_reported(tmp_path: Path) -> None:
    file = weights_file(tmp_path / "w.pth", drop="stem.0.weight", add="extra.bias")
    _, report = build_model(plain(weights=str(file)), 3, seed=1)
    assert (report.missing, report.unused) == (["stem.0.weight"], ["extra.bias"])


def test_weights_in_a_checkpoint_are_unwrapped(tmp_path: Path) -> None:
    state = torch.load(weights_file(tmp_path / "w.pth"))
    torch.save(
        {"model": {f"module.{name}": value for name, value in state.items()}}, tmp_path / "c.pt"
    )
    model = timm.create_model(NAME, num_classes=3)
    load_weights(model, tmp_path / "c.pt")
    assert torch.equal(model.state_dict()["stem.0.weight"], state["stem.0.weight"])


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.target,))


def test_a_malicious_weights_file_runs_nothing(tmp_path: Path) -> None:
    torch.save({"model": Evil(tmp_path / "owned")}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match="can't be read as a weights file: it contains Python obj"):
        build_model(plain(weights=str(tmp_path / "w.pth")), 3, seed=1)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "w.pth"),
        (b"junk", "w.pth .*: it is damaged, or not a .safetensors, .pth or .pt file"),
        (pickle.dumps({"a": range(3)}, protocol=2), "w.pth .*: it is damaged, or not"),
    ],
)
def test_an_invalid_weights_file_is_an_error_of_one_line(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "w.pth"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ModelError, match=message) as refusal:
        build_model(plain(weights=str(file)), 3, seed=1)
    assert "\n" not in str(refusal.value)
    assert "weights_only" not in str(refusal.value)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    torch.save({"layer.weight": torch.zeros(3)}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"has no weights for this model; set model\.name"):
        build_model(plain(weights=str(tmp_path / "w.pth")), 3, seed=1)


def test_an_unknown_model_name_gets_suggestions() -> None:
    with pytest.raises(ModelError, match="did you mean convnext_tiny"):
        build_model(plain(name="convnext_tny"), 3, seed=1)


def test_unavailable_pretrained_weights_name_the_remedies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError) as refusal:
        build_model(ModelConfig(name="convnext_atto.d2_in1k"), 3, seed=1)
    message = str(refusal.value)
    for advice in ("model.weights=FILE", "a cached model.name", "model.pretrained=false"):
        assert advice in message
    assert "\n" not in message


def test_the_new_classifier_depends_on_the_seed_alone() -> None:
    torch.manual_seed(9)
    a, _ = build_model(plain(), 3, seed=1)
    torch.manual_seed(10)
    b, _ = build_model(plain(), 3, seed=1)
    c, _ = build_model(plain(), 3, seed=2)
    a_fc, b_fc, c_fc = (m.state_dict()["head.fc.weight"] for m in (a, b, c))
    assert torch.equal(a_fc, b_fc)
    assert not torch.equal(a_fc, c_fc)


def test_a_frozen_backbone_is_in_eval_mode_and_only_the_classifier_trains() -> None:
    model, _ = build_model(plain(), 3, seed=1)
    trainable = freeze_backbone(model)
    train_mode(model, frozen=True)
    names = [name for name, p in model.named_parameters() if p.requires_grad]
    assert names == ["head.fc.weight", "head.fc.bias"]
    assert len(trainable) == 2
    assert [name for name, module in model.named_modules() if module.training] == ["head.fc"]
    assert len(unfreeze(model)) == len(list(model.parameters()))
    train_mode(model, frozen=False)
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize("prefix", ["module.", "model.", "net.module.", "_orig_mod.", "backbone."])
def test_names_of_weights_may_have_the_prefix_of_a_wrapper(prefix: str, tmp_path: Path) -> None:
    state = torch.load(weights_file(tmp_path / "a.pt"), weights_only=True)
    torch.save({prefix + name: value for name, value in state.items()}, tmp_path / "b.pt")
    model, _ = build_model(plain(), 7, 1)
    report = load_weights(model, tmp_path / "b.pt")
    assert (report.missing, report.unused, report.new_head) == ([], [], [])
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
