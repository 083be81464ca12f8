"""Sample sheet: the first training images of a phase as the network sees them, as one PNG."""

import math
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from core.common.errors import os_error_text
from core.common.files import write_atomically
from core.data.loading.dataset import Batch, LoaderError
from core.events.emitter import Emit
from core.events.types import SamplesSaved, Warned
from core.model.normalize import NormalizedModel
from core.run.files import SAMPLES
from core.training.phase_input import BatchSource
from core.training.train_state import TrainState

MAX_SAMPLES = 16
_COMPRESSION = 1  # PNG level: fast


class SampleSheetWriter:
    """Writes the sample sheet of each phase into the run folder.

    Training doesn't depend on it: if it can't be written, the run continues.
    """

    def __init__(self, run: Path | None, net: NormalizedModel, emit: Emit) -> None:
        """`net` has the normalization of images in floating point. Without a folder nothing is
        written: rank 0 does that."""
        self._run = run
        self._net = net
        self._emit = emit

    def save(self, state: TrainState, batch: Batch, source: BatchSource) -> None:
        """Write the first images of the first batch of a phase; other batches are ignored."""
        is_first = (state.epoch, state.step) == (1, 0)
        if self._run is None or not is_first or not len(batch.labels):
            return
        try:
            shown = source.batch_images(state.phase, state.epoch, batch, MAX_SAMPLES)
        except LoaderError as error:  # training with cached features doesn't need the images
            self._emit(Warned(code="samples", message=str(error)))
            return
        if not len(shown.labels):
            return
        columns = math.ceil(math.sqrt(len(shown.labels)))
        path = f"{SAMPLES}/{state.phase}.png"
        sheet = _sheet(self._as_bytes(shown.images), columns)
        try:
            (self._run / path).parent.mkdir(exist_ok=True)
            write_atomically(
                self._run / path,
                lambda file: sheet.save(file, format="PNG", compress_level=_COMPRESSION),
            )
        except OSError as error:
            reason = os_error_text(error)
            text = f"{path} can't be written: {reason}; training continues"
            self._emit(Warned(code="samples", message=text))
            return
        self._emit(
            SamplesSaved(
                phase=state.phase,
                epoch=state.epoch,
                path=path,
                side=shown.images.shape[-1],
                columns=columns,
                files=[source.dataset.paths[index] for index in shown.indices.tolist()],
                labels=shown.labels.tolist(),
            )
        )

    def _as_bytes(self, images: Tensor) -> Tensor:
        """Return images (N, 3, H, W) as bytes, on the CPU."""
        if images.dtype != torch.uint8:
            mean, std = (value.to(images.device) for value in (self._net.mean, self._net.std))
            images = (images * std + mean).mul_(255).round_().clamp_(0, 255).to(torch.uint8)
        return images.cpu()


def _sheet(images: Tensor, columns: int) -> Image.Image:
    """Return images (N, 3, H, W) in a grid."""
    count, _, height, width = images.shape
    sheet = Image.new("RGB", (columns * width, math.ceil(count / columns) * height))
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        tile = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
        sheet.paste(tile, (column * width, row * height))
    return sheet
