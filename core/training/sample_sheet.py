"""The first pictures of a phase, as the network sees them: a wrong transform shows at once."""

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
from core.training.features.loader import BatchSource
from core.training.train_state import TrainState

MOST = 16
_QUICKLY = 1  # of PNG's levels of compression


class SampleSheetWriter:
    """Writes a sheet of pictures for each phase into a run's folder.

    Nothing that trains depends on it, and where it can't be written the run goes on.
    """

    def __init__(self, run: Path | None, net: NormalizedModel, emit: Emit) -> None:
        """`net` knows how pictures were normalize that are no bytes any more. Without a folder
        nothing is written: another rank does."""
        self._run = run
        self._net = net
        self._emit = emit

    def save(self, state: TrainState, batch: Batch, source: BatchSource) -> None:
        """Write down the first pictures of the first batch of a phase; other batches are left
        alone."""
        is_first = (state.epoch, state.step) == (1, 0)
        if self._run is None or not is_first or not len(batch.labels):
            return
        try:
            shown = source.batch_images(state.phase, state.epoch, batch, MOST)
        except LoaderError as error:  # no reason to end: training itself needs none of them now
            self._emit(Warned(code="samples", message=str(error)))
            return
        if not len(shown.labels):
            return
        columns = math.ceil(math.sqrt(len(shown.labels)))
        path = f"samples/{state.phase}.png"
        sheet = _sheet(self._as_bytes(shown.images), columns)
        try:
            (self._run / path).parent.mkdir(exist_ok=True)
            write_atomically(
                self._run / path,
                lambda file: sheet.save(file, format="PNG", compress_level=_QUICKLY),
            )
        except OSError as error:
            reason = os_error_text(error)
            text = f"the pictures of {path} could not be written: {reason}; training goes on"
            self._emit(Warned(code="samples", message=text))
            return
        self._emit(
            SamplesSaved(
                phase=state.phase,
                epoch=state.epoch,
                path=path,
                side=shown.images.shape[-1],
                columns=columns,
                files=[source.dataset.paths[place] for place in shown.indices.tolist()],
                labels=shown.labels.tolist(),
            )
        )

    def _as_bytes(self, images: Tensor) -> Tensor:
        """Return pictures (N, 3, H, W) as bytes, on the CPU."""
        if images.dtype != torch.uint8:
            mean, std = (value.to(images.device) for value in (self._net.mean, self._net.std))
            images = (images * std + mean).mul_(255).round_().clamp_(0, 255).to(torch.uint8)
        return images.cpu()


def _sheet(images: Tensor, columns: int) -> Image.Image:
    """Return pictures (N, 3, H, W) beside and under each other, as one."""
    count, _, height, width = images.shape
    sheet = Image.new("RGB", (columns * width, math.ceil(count / columns) * height))
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        picture = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
        sheet.paste(picture, (column * width, row * height))
    return sheet
