"""`python -m core.forecast.model_probe MODEL SIZE` prints a timm model's properties as JSON.

The model is built and run on PyTorch's `meta` device, where tensors have shapes but no values:
nothing is computed.
"""

import json
import sys
from dataclasses import asdict

import timm
import torch
from timm.models import get_pretrained_cfg
from torch import Tensor, nn

from core.common.errors import reason_of
from core.common.text import printable
from core.forecast.model_info import ModelInfo
from core.model.build import ModelError, check_name, count_parameters


def probe(name: str, image_size: int) -> ModelInfo:
    """Return the properties of a model for square images of `image_size` pixels; never raises."""
    try:
        check_name(name)
        model = on_meta(name)
        source = get_pretrained_cfg(name)
        return ModelInfo(
            parameters=count_parameters(model.parameters()),
            features=int(model.num_features),  # type: ignore[arg-type]
            activation_bytes=_saved_for_backward(model, image_size),
            hub_id=(source.hf_hub_id or "") if source else "",
            url=(source.url or "") if source else "",
        )
    except ModelError as error:
        return ModelInfo(problem=str(error))
    except Exception as error:  # a timm model that needs other arguments
        return ModelInfo(problem=f"model.name={printable(name)}: {reason_of(error)}")


def on_meta(name: str) -> nn.Module:
    """Build a timm model with a classifier for one class, without values."""
    model: nn.Module
    try:
        with torch.device("meta"):
            model = timm.create_model(name, num_classes=1)
    except (RuntimeError, NotImplementedError):  # its constructor reads values of tensors
        model = timm.create_model(name, num_classes=1).to("meta")
    return model.train()


def _saved_for_backward(model: nn.Module, image_size: int) -> int:
    """Return the bytes that autograd saves for one image, without the weights."""
    weights = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    # References to the storages are kept: a freed one's address could be reused.
    saved: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            saved[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = model(torch.empty(1, 3, image_size, image_size, device="meta"))
        total = sum(storage.nbytes() for storage in saved.values())
        del output
    return total


if __name__ == "__main__":
    print(json.dumps(asdict(probe(sys.argv[1], int(sys.argv[2])))))
