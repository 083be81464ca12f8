"""`python -m core.forecast.model_probe MODEL SIZE`: what a timm model is like, as one line of JSON.

Nothing is computed: the network is made and run on PyTorch's `meta` device, where tensors have
shapes and no values.
"""

import json
import sys
from dataclasses import asdict

import timm
import torch
from timm.models import get_pretrained_cfg
from torch import Tensor, nn

from core.common.text import printable
from core.forecast.model_info import ModelInfo
from core.model.build import ModelError, check_name, count_parameters


def probe(name: str, image_size: int) -> ModelInfo:
    """Return what a model is like for pictures of `image_size` pixels a side; never fails."""
    try:
        check_name(name)
        model = _on_meta(name)
        source = get_pretrained_cfg(name)
        return ModelInfo(
            parameters=count_parameters(model.parameters()),
            features=int(model.num_features),  # type: ignore[arg-type]
            activation_bytes=_kept_for_backward(model, image_size),
            hub_id=(source.hf_hub_id or "") if source else "",
            url=(source.url or "") if source else "",
        )
    except ModelError as error:
        return ModelInfo(problem=str(error))
    except Exception as error:  # some model of timm's many that wants something else
        said = printable(" ".join(f"{type(error).__name__}: {error}".split()))[:200]
        return ModelInfo(problem=f"model.name={printable(name)}: {said}")


def _on_meta(name: str) -> nn.Module:
    model: nn.Module
    try:
        with torch.device("meta"):
            model = timm.create_model(name, num_classes=1)
    except (RuntimeError, NotImplementedError):  # it looks at a value while it is made
        model = timm.create_model(name, num_classes=1).to("meta")
    return model.train()


def _kept_for_backward(model: nn.Module, image_size: int) -> int:
    """Return the bytes that autograd saves of one picture, the weights left out."""
    own = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    # The storages are held, or another one could get the address of one that is gone.
    saved: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            saved[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        kept = model(torch.empty(1, 3, image_size, image_size, device="meta"))
        total = sum(storage.nbytes() for storage in saved.values())
        del kept
    return total


if __name__ == "__main__":
    print(json.dumps(asdict(probe(sys.argv[1], int(sys.argv[2])))))
