"""Export to ONNX with torch's exporter; verify with onnxruntime."""

import contextlib
import io
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from core.inference.export.formats import Metadata
from core.inference.export.target import ExportError
from core.inference.trained_run import TrainedRun

INPUT, OUTPUT = "pixels", "logits"
_MAX_BYTES = 2_000_000_000  # a protobuf file can't hold 2 GiB
_EXAMPLES = 2  # the exporter treats a batch size of one as a constant


def write(
    run: TrainedRun, model: nn.Module, example: Tensor, path: Path, metadata: Metadata
) -> None:
    """Write a model with input `pixels` (batch, 3, H, W), of any batch size, and output `logits`.

    Each item of `metadata` becomes a metadata property, as JSON. Raises ExportError if the model is
    too large for one file.
    """
    import onnx

    size = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    if size > _MAX_BYTES:
        raise ExportError(f"the model's {size / 1e9:.1f} GB are too large for one ONNX file")
    batch = example[:1].repeat(_EXAMPLES, 1, 1, 1)
    # The exporter prints its progress and deprecation warnings to the terminal.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model,
            (batch,),
            dynamo=True,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    onnx.helper.set_model_props(proto, {key: json.dumps(value) for key, value in metadata.items()})
    onnx.checker.check_model(proto)
    onnx.save(proto, str(path))


def load(run: TrainedRun, path: Path) -> Callable[[Tensor], Tensor]:
    """Return a function that runs the model on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def logits(images: Tensor) -> Tensor:
        (output,) = session.run([OUTPUT], {INPUT: images.numpy()})
        return torch.from_numpy(output)

    return logits
