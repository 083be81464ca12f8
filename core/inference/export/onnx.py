"""ONNX: written by torch's exporter, read by onnxruntime."""

import contextlib
import importlib
import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from core.common.errors import SetupError

INPUT, OUTPUT = "pixels", "logits"
_LARGEST = 2_000_000_000  # a protobuf file can't hold 2 GiB
_EXAMPLES = 2  # the exporter takes a batch of one for a constant


def write_onnx(net: nn.Module, example: Tensor, out: Path, about: Any) -> None:
    """Write a network that takes `pixels` (batch, 3, H, W) of any batch size and gives `logits`.

    `about` goes into the model's metadata, a text each. Raises SetupError without the libraries
    that this needs, or when the network is too large for one file.
    """
    onnx, _ = _library("onnx"), _library("onnxscript")
    size = sum(value.numel() * value.element_size() for value in net.state_dict().values())
    if size > _LARGEST:
        raise SetupError(f"the network's {size / 1e9:.1f} GB are too large for one ONNX file")
    batch = example[:1].repeat(_EXAMPLES, 1, 1, 1)
    # The exporter reports its own steps and deprecations on the terminal.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            net,
            (batch,),
            dynamo=True,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    onnx.helper.set_model_props(model, {key: json.dumps(value) for key, value in about.items()})
    onnx.checker.check_model(model)
    onnx.save(model, str(out))


def load_onnx(out: Path) -> Callable[[Tensor], Tensor]:
    """Return what an ONNX file computes on a CPU; raises SetupError without onnxruntime."""
    session = _library("onnxruntime").InferenceSession(str(out), providers=["CPUExecutionProvider"])

    def logits(images: Tensor) -> Tensor:
        (found,) = session.run([OUTPUT], {INPUT: images.numpy()})
        return torch.from_numpy(found)

    return logits


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise SetupError(f"this needs {name}: pip install 'convnext-tui[onnx]'") from None
