"""Weights under the tensor names of Hugging Face's transformers."""

from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch
from torch import Tensor

from core.config.schema import ModelConfig
from core.model.build import build_model, load_weights
from core.model.hf_weight_names import reshaped, timm_names


def transformers_name(name: str, prefix: str) -> str:
    """The name that `ConvNextForImageClassification` has for one of timm's tensors, by its own
    modules: embeddings, encoder.stages.N.{downsampling_layer,layers}, layernorm, classifier."""
    kind = name.rsplit(".", 1)[-1]
    parts = name.split(".")
    if name.startswith("head.fc."):
        return f"classifier.{kind}"
    if name.startswith("head.norm."):
        return f"{prefix}layernorm.{kind}"
    if parts[0] == "stem":
        return f"{prefix}embeddings.{['patch_embeddings', 'layernorm'][int(parts[1])]}.{kind}"
    stage = f"{prefix}encoder.stages.{parts[1]}"
    if parts[2] == "downsample":
        return f"{stage}.downsampling_layer.{parts[3]}.{kind}"
    block = f"{stage}.layers.{parts[3]}"
    if kind == "gamma":
        return f"{block}.layer_scale_parameter"
    inner = ".".join(parts[4:-1])
    theirs = {
        "conv_dw": "dwconv",
        "norm": "layernorm",
        "mlp.grn": "grn",
        "mlp.fc1": "pwconv1",
        "mlp.fc2": "pwconv2",
    }
    return f"{block}.{theirs[inner]}.{kind}"


def as_transformers(model: torch.nn.Module, prefix: str) -> dict[str, Tensor]:
    """A model's weights as transformers writes them: linear layers, and GRN of (1, 1, 1, C)."""
    found = {}
    for name, value in model.state_dict().items():
        if ".mlp.fc" in name and value.dim() == 4:
            value = value[:, :, 0, 0]
        if ".grn." in name:
            value = value[None, None, None]
        found[transformers_name(name, prefix)] = value.contiguous()
    return found


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("test_convnext", "convnext."),
        ("test_convnext", ""),
        ("convnext_atto", "convnext."),  # its MLPs are 1x1 convolutions
        ("convnextv2_atto", "convnextv2."),  # global response normalization, no layer scale
    ],
)
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_checkpoint_of_transformers_loads_completely(
    name: str, prefix: str, suffix: str, tmp_path: Path
) -> None:
    torch.manual_seed(3)
    original = timm.create_model(name, num_classes=5).eval()
    for parameter in original.parameters():
        torch.nn.init.normal_(parameter, 0.1, 0.1)
    file = tmp_path / f"model{suffix}"
    theirs = as_transformers(original, prefix)
    assert not theirs.keys() & original.state_dict().keys()
    (safetensors.torch.save_file if suffix == ".safetensors" else torch.save)(theirs, file)
    model = timm.create_model(name, num_classes=5).eval()
    report = load_weights(model, file)
    assert (report.missing, report.unused, report.new_head) == ([], [], [])
    expected = original.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in model.state_dict().items())


def test_its_classifier_is_not_loaded_for_other_classes(tmp_path: Path) -> None:
    original = timm.create_model("test_convnext", num_classes=5)
    file = tmp_path / "model.safetensors"
    safetensors.torch.save_file(as_transformers(original, "convnext."), file)
    config = ModelConfig(name="test_convnext", weights=str(file))
    model, report = build_model(config, 3, seed=1)
    assert report.new_head == ["head.fc.weight", "head.fc.bias"]
    assert (report.missing, report.unused) == ([], [])
    stem = model.state_dict()["stem.0.weight"]
    assert torch.equal(stem, original.state_dict()["stem.0.weight"])


def test_names_of_timm_and_of_other_libraries_are_unchanged() -> None:
    one = torch.zeros(1)
    names = ["stem.0.weight", "encoder.stages.0.layers.0.dwconv.weight", "classifier.weight"]
    assert timm_names(dict.fromkeys(names, one)).keys() == set(names)


def test_only_dimensions_of_size_one_are_added_or_removed() -> None:
    value = torch.arange(6).reshape(2, 3)
    assert torch.equal(reshaped(value, torch.zeros(2, 3, 1, 1))[:, :, 0, 0], value)
    for other in (torch.zeros(3, 2), torch.zeros(6), torch.zeros(2, 3, 2)):
        assert reshaped(value, other) is value
