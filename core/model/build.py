"""The network: made by timm, its weights loaded, its backbone frozen and thawed."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import timm
import torch
from timm.data import resolve_data_config
from timm.models import load_state_dict
from torch import Tensor, nn

from core.common.errors import SetupError
from core.common.seeds import derive_seed
from core.common.text import printable
from core.config.schema import ModelConfig
from core.model.hf_weight_names import reshaped, timm_names


class ModelError(SetupError):
    """A model or its weights that can't be had; one line that says what to do."""


@dataclass(frozen=True, slots=True)
class WeightsReport:
    """Where a model's weights come from, and which tensors did not."""

    source: str
    missing: list[str] = field(default_factory=list)
    """Tensors of the backbone that the file doesn't hold (or holds in another shape)."""
    unused: list[str] = field(default_factory=list)
    """Tensors of the file that the model has no place for at all."""
    new_head: list[str] = field(default_factory=list)
    """Tensors of the classifier, which the file lacks or holds for other classes."""

    def __str__(self) -> str:
        new = f", new classifier ({', '.join(self.new_head)})" if self.new_head else ""
        return f"{self.source}{new}"


def build_model(config: ModelConfig, classes: int, seed: int) -> tuple[nn.Module, WeightsReport]:
    """Make a timm model with a new classifier for `classes` classes.

    What is initialised at random depends on `seed` alone. Raises ModelError.
    """
    pretrained = config.pretrained and config.weights is None
    check_name(config.name)
    torch.manual_seed(derive_seed(seed, "init"))
    try:
        model = timm.create_model(config.name, pretrained=pretrained, num_classes=classes)
    except Exception as error:  # anything from a missing network to a wrong pretrained tag
        raise _creation_error(config, pretrained, error) from error
    if not trainable_head(model):
        raise ModelError(f"model.name={config.name}: timm knows no classifier in it to train")
    if config.weights is not None:
        return model, load_weights(model, Path(config.weights))
    source = "timm's pretrained weights" if pretrained else "random weights"
    return model, WeightsReport(source)


def load_weights(model: nn.Module, file: Path) -> WeightsReport:
    """Load a local `.safetensors`, `.pth` or `.pt` file into the model.

    Its tensors have timm's names, or those of a ConvNeXt in Hugging Face's transformers. The
    classifier is left out where its shape differs. Only tensors are read (`weights_only`).
    Raises ModelError when the file can't be read or has nothing for this model.
    """
    shown = printable(str(file))
    try:
        found = load_state_dict(str(file), use_ema=False, device="cpu", weights_only=True)
    except FileNotFoundError:
        raise ModelError(f"model.weights={shown}: no such file") from None
    except OSError as error:
        raise ModelError(f"model.weights={shown}: {_one_line(error)}") from error
    except Exception as error:  # the readers raise nearly anything on malformed input
        raise ModelError(
            f"model.weights={shown} is no weights file that can be read safely: {_one_line(error)}"
        ) from error
    fitting, unused = _fitting(model, _tensors(found))
    if not fitting.keys() - head_names(model):
        raise ModelError(f"model.weights={shown} holds no weights for this model; set model.name")
    model.load_state_dict(fitting, strict=False)
    lacking = [name for name in model.state_dict() if name not in fitting]
    head = head_names(model)
    return WeightsReport(
        file.name,
        missing=[name for name in lacking if name not in head],
        unused=unused,
        new_head=[name for name in lacking if name in head],
    )


def model_data_config(model: nn.Module) -> dict[str, object]:
    """Return mean, std, interpolation and crop that the model was trained with."""
    return dict(resolve_data_config({}, model=model))


def trainable_head(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of the classifier alone: what trains in phase `head`."""
    return list(model.get_classifier().parameters())  # type: ignore[operator]


def freeze_backbone(model: nn.Module) -> list[nn.Parameter]:
    """Let nothing but the classifier take gradients; returns what trains."""
    model.requires_grad_(False)
    head = trainable_head(model)
    for parameter in head:
        parameter.requires_grad_(True)
    return head


def unfreeze(model: nn.Module) -> list[nn.Parameter]:
    """Let everything take gradients; returns what trains."""
    model.requires_grad_(True)
    return list(model.parameters())


def train_mode(model: nn.Module, frozen: bool) -> None:
    """Set train mode, but keep a frozen backbone in eval.

    `model.train()` alone would let the frozen part's BatchNorm statistics and dropout move.
    """
    model.train(not frozen)
    if frozen:
        model.get_classifier().train()  # type: ignore[operator]


def copy_weights(model: nn.Module, known: Mapping[str, Tensor] = {}) -> dict[str, Tensor]:
    """Return a true copy of all weights and buffers, on the CPU.

    `state_dict()` alone holds references: a 'best' kept that way follows the training. `known`
    are copies of tensors that have not changed since: they are taken as they are.
    """
    return {
        name: known[name] if name in known else value.detach().to("cpu", copy=True)
        for name, value in model.state_dict().items()
    }


def copy_frozen(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy, on the CPU, of what a frozen backbone can't change: all but the classifier."""
    head = head_names(model)
    copies = copy_weights(model)
    return {name: value for name, value in copies.items() if name not in head}


def count_parameters(parameters: Iterable[nn.Parameter]) -> int:
    """Return the number of values in these parameters."""
    return sum(parameter.numel() for parameter in parameters)


def check_name(name: str) -> None:
    """Raise ModelError, with names that are near, for a model that timm doesn't know."""
    if ":" in name or timm.is_model(name):
        return
    known = timm.list_models()
    close = difflib.get_close_matches(name.split(".")[0], known, n=3, cutoff=0.6)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    raise ModelError(f"model.name={printable(name)} is no model that timm knows{hint}")


def _creation_error(config: ModelConfig, pretrained: bool, error: Exception) -> ModelError:
    if not pretrained:
        return ModelError(f"model.name={printable(config.name)}: {_one_line(error)}")
    return ModelError(
        f"the pretrained weights of {printable(config.name)} can't be had "
        f"({type(error).__name__}: {_one_line(error)[:160]}); without a network set "
        "model.weights=FILE, a smaller model.name, or model.pretrained=false"
    )


def _one_line(error: Exception) -> str:
    return printable(" ".join(str(error).split()))[:300]


def _tensors(found: dict[str, object]) -> dict[str, Tensor]:
    # FileCheckpointWriter of this program and of others wrap the weights.
    for wrapper in ("model", "state_dict"):
        inner = found.get(wrapper)
        if isinstance(inner, dict):
            found = inner
    return timm_names(
        {k.removeprefix("module."): v for k, v in found.items() if isinstance(v, Tensor)}
    )


def _fitting(model: nn.Module, tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    own = model.state_dict()
    shaped = {n: reshaped(v, own[n]) if n in own else v for n, v in tensors.items()}
    fitting = {n: v for n, v in shaped.items() if n in own and own[n].shape == v.shape}
    return fitting, [name for name in tensors if name not in own]


def head_names(model: nn.Module) -> set[str]:
    """Return the names of the classifier's parameters."""
    head = {id(parameter) for parameter in trainable_head(model)}
    return {name for name, parameter in model.named_parameters() if id(parameter) in head}
