"""Build timm models, load weights, freeze and unfreeze the backbone."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from zipfile import is_zipfile

import timm
import torch
from timm.data import resolve_data_config
from timm.models import load_state_dict
from torch import Tensor, nn

from core.common.errors import SetupError, reason_of
from core.common.seeds import derive_seed
from core.common.text import printable
from core.config.schema import ModelConfig
from core.model.hf_weight_names import reshaped, timm_names


class ModelError(SetupError):
    """A model that can't be built or loaded; one line with the reason and a remedy."""


_WRAPPERS = {"module", "model", "net", "network", "backbone", "encoder", "_orig_mod"}
"""Usual names of a model within a wrapper, which prefix the names of its tensors."""


@dataclass(frozen=True, slots=True)
class WeightsReport:
    """Source of a model's weights, and the tensors that were not loaded."""

    source: str
    missing: list[str] = field(default_factory=list)
    """Backbone tensors that the file lacks or has in another shape."""
    unused: list[str] = field(default_factory=list)
    """Tensors of the file that the model doesn't have."""
    new_head: list[str] = field(default_factory=list)
    """Classifier tensors that the file lacks or has for another number of classes."""

    def __str__(self) -> str:
        new = f", new classifier ({', '.join(self.new_head)})" if self.new_head else ""
        return f"{self.source}{new}"


def build_model(config: ModelConfig, classes: int, seed: int) -> tuple[nn.Module, WeightsReport]:
    """Build a timm model with a new classifier for `classes` classes.

    Random initial weights depend on `seed` alone. Raises ModelError.
    """
    pretrained = config.pretrained and config.weights is None
    check_name(config.name)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive_seed(seed, "init"))
        try:
            model = timm.create_model(
                config.name, pretrained=pretrained, num_classes=classes, **_regularization(config)
            )
        except Exception as error:  # anything from a lost connection to a wrong pretrained tag
            raise _creation_error(config, pretrained, error) from error
    if not trainable_head(model):
        raise ModelError(
            f"model.name={printable(config.name)}: the model has no trainable classifier"
        )
    if config.weights is not None:
        return model, load_weights(model, Path(config.weights))
    source = "timm's pretrained weights" if pretrained else "random weights"
    return model, WeightsReport(source)


def _regularization(config: ModelConfig) -> dict[str, float]:
    """Return timm's arguments for dropout; those that are off are left out, because some models
    don't know them."""
    rates = {"drop_rate": config.dropout, "drop_path_rate": config.drop_path}
    return {name: rate for name, rate in rates.items() if rate}


def load_weights(model: nn.Module, file: Path) -> WeightsReport:
    """Load a local `.safetensors`, `.pth` or `.pt` file into the model.

    Tensor names are those of timm, or of a ConvNeXt in Hugging Face's transformers. A classifier
    of another shape is not loaded. Only tensors are unpickled (`weights_only`). Raises ModelError
    if the file can't be read or has no weights for this model.
    """
    shown = printable(str(file))
    try:
        content = load_state_dict(str(file), use_ema=False, device="cpu", weights_only=True)
    except FileNotFoundError:
        raise ModelError(f"model.weights={shown}: no such file") from None
    except OSError as error:
        raise ModelError(f"model.weights={shown}: {reason_of(error)}") from error
    except Exception as error:  # malformed input raises nearly any exception
        raise ModelError(
            f"model.weights={shown} can't be read as a weights file: {_why_unreadable(file, error)}"
        ) from error
    matching, unused = _match(model, _tensors(content))
    if not matching.keys() - head_names(model):
        raise ModelError(f"model.weights={shown} has no weights for this model; set model.name")
    model.load_state_dict(matching, strict=False)
    not_loaded = [name for name in model.state_dict() if name not in matching]
    head = head_names(model)
    return WeightsReport(
        file.name,
        missing=[name for name in not_loaded if name not in head],
        unused=unused,
        new_head=[name for name in not_loaded if name in head],
    )


def model_data_config(model: nn.Module, crop_pct: str | float = "auto") -> dict[str, object]:
    """Return mean, std, interpolation and crop of the model's pretrained configuration, with
    another `crop_pct` unless it is `auto`."""
    found = dict(resolve_data_config({}, model=model))
    return found if crop_pct == "auto" else {**found, "crop_pct": crop_pct}


def trainable_head(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of the classifier, the only trainable ones in phase `head`."""
    return list(model.get_classifier().parameters())  # type: ignore[operator]


def freeze_backbone(model: nn.Module) -> list[nn.Parameter]:
    """Freeze all parameters except the classifier's; return the trainable ones."""
    model.requires_grad_(False)
    head = trainable_head(model)
    for parameter in head:
        parameter.requires_grad_(True)
    return head


def unfreeze(model: nn.Module) -> list[nn.Parameter]:
    """Unfreeze all parameters and return them."""
    model.requires_grad_(True)
    return list(model.parameters())


def set_grad_checkpointing(model: nn.Module, enabled: bool) -> None:
    """Recompute activations in the backward pass, or keep them.

    Raises ModelError if the model can't do it.
    """
    try:
        model.set_grad_checkpointing(enabled)  # type: ignore[operator]
    except (AttributeError, AssertionError):
        raise ModelError("model.grad_checkpointing: this model doesn't support it") from None


def train_mode(model: nn.Module, frozen: bool) -> None:
    """Set train mode, but keep a frozen backbone in eval mode.

    `model.train()` alone would update BatchNorm statistics and enable dropout in the backbone.
    """
    model.train(not frozen)
    if frozen:
        model.get_classifier().train()  # type: ignore[operator]


def copy_weights(model: nn.Module, known: Mapping[str, Tensor] = {}) -> dict[str, Tensor]:
    """Return a copy of all weights and buffers, on the CPU.

    `state_dict()` holds references, which training keeps changing. `known` are earlier copies of
    tensors that have not changed since; they are reused.
    """
    return {
        name: known[name] if name in known else value.detach().to("cpu", copy=True)
        for name, value in model.state_dict().items()
    }


def copy_frozen(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy, on the CPU, of all weights and buffers of a frozen backbone."""
    head = head_names(model)
    copies = copy_weights(model)
    return {name: value for name, value in copies.items() if name not in head}


def divide_logits(model: nn.Module, temperature: float) -> None:
    """Divide the logits of a model by a number, in the weights of its classifier.

    So every export and every program that loads the weights has it. Raises ModelError if the
    classifier doesn't end in a linear layer.
    """
    layers = [
        layer
        for layer in model.get_classifier().modules()  # type: ignore[operator]
        if isinstance(layer, nn.Linear)
    ]
    if not layers:
        raise ModelError("the classifier of this model isn't linear: it can't be calibrated")
    with torch.no_grad():
        for parameter in layers[-1].parameters():
            parameter.div_(temperature)


def count_parameters(parameters: Iterable[nn.Parameter]) -> int:
    """Return the total number of values of these parameters."""
    return sum(parameter.numel() for parameter in parameters)


def check_name(name: str) -> None:
    """Raise ModelError, with similar names, for a model that timm doesn't know."""
    if ":" in name or timm.is_model(name):
        return
    known = timm.list_models()
    close = difflib.get_close_matches(name.split(".")[0], known, n=3, cutoff=0.6)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    raise ModelError(f"model.name={printable(name)} is not a timm model{hint}")


def _creation_error(config: ModelConfig, pretrained: bool, error: Exception) -> ModelError:
    if not pretrained:
        return ModelError(f"model.name={printable(config.name)}: {reason_of(error)}")
    return ModelError(
        f"the pretrained weights of {printable(config.name)} are not available: "
        f"{reason_of(error)}; without a network connection set model.weights=FILE, a cached "
        "model.name, or model.pretrained=false"
    )


def _why_unreadable(file: Path, error: Exception) -> str:
    refused = isinstance(error, UnpicklingError) or isinstance(error.__cause__, UnpicklingError)
    if refused and is_zipfile(file):  # of anything else that is no zip archive, it says the same
        return "it contains Python objects besides tensors; save only the state_dict"
    return "it is damaged, or not a .safetensors, .pth or .pt file"


def _tensors(content: dict[str, object]) -> dict[str, Tensor]:
    # Checkpoints of this and of other programs contain the weights under one of these keys.
    for wrapper in ("model", "state_dict"):
        inner = content.get(wrapper)
        if isinstance(inner, dict):
            content = inner
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    return timm_names(_without_prefix(tensors))


def _without_prefix(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove what wrappers put before all names: DataParallel, Lightning modules, torch.compile."""
    while True:
        tops = {name.partition(".")[0] for name in tensors}
        if len(tops) != 1 or not tops <= _WRAPPERS:
            return tensors
        tensors = {name.partition(".")[2]: value for name, value in tensors.items()}


def _match(model: nn.Module, tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    own = model.state_dict()
    shaped = {n: reshaped(v, own[n]) if n in own else v for n, v in tensors.items()}
    matching = {n: v for n, v in shaped.items() if n in own and own[n].shape == v.shape}
    return matching, [name for name in tensors if name not in own]


def head_names(model: nn.Module) -> set[str]:
    """Return the parameter names of the classifier."""
    head = {id(parameter) for parameter in trainable_head(model)}
    return {name for name, parameter in model.named_parameters() if id(parameter) in head}
