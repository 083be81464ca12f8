"""Table of export formats. One entry and its module are all that a format needs.

The command line, the checks before an export and the model card read the table. It imports no
torch: a format's writer and loader are in the module that its entry names.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

if TYPE_CHECKING:
    from torch import Tensor, nn

    from core.inference.trained_run import TrainedRun

Metadata = Mapping[str, Any]
"""`classes`, `transform`, `provenance` and `input`, as plain values."""


class FormatModule(Protocol):
    """Functions of a format's module."""

    def write(
        self,
        run: "TrainedRun",
        model: "nn.Module",
        example: "Tensor",
        path: Path,
        metadata: Metadata,
    ) -> None:
        """Write `model` to `path`; `example` is an input of batch size 1."""

    def load(self, run: "TrainedRun", path: Path) -> "Callable[[Tensor], Tensor]":
        """Load an export as another program would, to verify it: from images (N, 3, H, W) to logits
        (N, classes)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFormat:
    """Description of an export format."""

    module: str
    """Module with `write` and `load`, see `FormatModule`; imported when the format is used."""
    usage: str
    """Python code for the model card that loads an export and applies it to the tensor `images`, a
    template for `str.format`: `{path}` is the export's name, `{model}` the timm model name,
    `{classes}` the number of classes."""
    is_folder: bool = False
    suffix: str = ""
    """Required file suffix, if any."""
    takes_normalize: bool = False
    """Whether `--with-normalize` can include normalization; the others are weights only."""
    on_hub: bool = False
    """Whether `--push` can upload it to the Hugging Face Hub."""
    libraries: Sequence[str] = ()
    """Modules that writing and verifying import, in addition to the required dependencies."""
    extra: str = ""
    """Extra of convnext-tui that installs `libraries`."""

    def load_module(self) -> FormatModule:
        """Import the module with the writer and the loader, and torch with it."""
        return cast(FormatModule, importlib.import_module(self.module))


EXPORT_FORMATS: dict[str, ExportFormat] = {
    "safetensors": ExportFormat(
        module="core.inference.export.safetensors_format",
        suffix=".safetensors",
        usage="""import timm
from safetensors.torch import load_file

model = timm.create_model("{model}", num_classes={classes}).eval()
model.load_state_dict(load_file("{path}"))
logits = model(images)""",
    ),
    "timm": ExportFormat(
        module="core.inference.export.timm_format",
        is_folder=True,
        on_hub=True,
        usage="""import timm

model = timm.create_model("local-dir:{path}", pretrained=True).eval()
logits = model(images)
labels = model.pretrained_cfg["label_names"]""",
    ),
    "onnx": ExportFormat(
        module="core.inference.export.onnx_format",
        takes_normalize=True,
        libraries=("onnx", "onnxscript", "onnxruntime"),
        extra="onnx",
        usage="""import onnxruntime

session = onnxruntime.InferenceSession("{path}")
(logits,) = session.run(["logits"], {{"pixels": images.numpy()}})
metadata = session.get_modelmeta().custom_metadata_map  # classes, transform, as JSON""",
    ),
    "torchscript": ExportFormat(
        module="core.inference.export.torchscript_format",
        takes_normalize=True,
        usage="""import torch

files = {{"convnext-tui.json": ""}}
model = torch.jit.load("{path}", _extra_files=files)
logits = model(images)
metadata = files["convnext-tui.json"]  # classes, transform, as JSON""",
    ),
}
"""By the value of the option --to."""
