"""Class probabilities of pictures, by a run's network."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from os import PathLike, fspath
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from core.common.text import printable
from core.config.load import with_values
from core.data.decode import UnreadableImage
from core.inference.image_reader import Picture, PictureReader, in_order
from core.inference.trained_run import TrainedRun
from core.model.device import Compute, compute_options
from core.model.normalize import NormalizedModel
from core.training import micro_batches as parts

BATCH_SIZES = {"cuda": 128}
BATCH_SIZE = 32
"""Pictures that go through the network at once: more make a CPU no faster."""
P = TypeVar("P", bound=Picture)
Probabilities = NDArray[np.float32]
Views = Callable[[Image.Image], tuple[Tensor, ...]]
"""What is made of a picture in mode RGB: views of it (3, H, W), uint8."""


@dataclass(frozen=True, slots=True)
class Prediction(Generic[P]):
    """What the network says of one picture."""

    picture: P
    probabilities: Probabilities | None
    """(classes,), float32, summing to 1; None where the picture can't be read."""
    error: str = ""
    """Why it can't."""


@dataclass(frozen=True, slots=True)
class ReadPicture(Generic[P]):
    """A picture as the network takes it."""

    picture: P
    views: tuple[Tensor, ...]
    """Each (3, H, W), uint8; empty where it can't be read."""
    error: str = ""


class Predictor:
    """A run's network on a device, with its transform and class names.

    >>> predictor = Predictor(load_run("runs/20261124-113000-birds"))
    >>> predictor.predict(["a.jpg", "b.jpg"]).argmax(axis=1)
    """

    def __init__(
        self,
        run: TrainedRun,
        device: str = "auto",
        batch_size: int | None = None,
        precision: str = "fp32",
        threads: int | None = None,
    ) -> None:
        """`device` is `auto`, `cpu`, `cuda` or `mps`; `precision` is `fp32`, `bf16` or `auto`
        (bf16 on CUDA devices that have it). `threads` read pictures, as many as there are cores
        if not given. Raises DeviceError when the device can't be used here."""
        self.run = run
        self.compute = _compute(run, device, precision)
        self.batch_size = batch_size or BATCH_SIZES.get(self.compute.device.type, BATCH_SIZE)
        self.transform = run.val_transform()
        self._threads = threads
        self._part_size = self.batch_size
        self._reader = PictureReader(run)
        net = NormalizedModel(run.model, run.transform["mean"], run.transform["std"])
        self.compute.place_model(net)
        self._net = net.eval()

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities."""
        return self.run.classes

    def predict(self, pictures: Iterable[Picture]) -> Probabilities:
        """Return the class probabilities (N, classes), float32, of pictures: paths, contents of
        files, or Pillow's.

        Raises UnreadableImage, naming the picture, for the first one that can't be read; `stream`
        goes on instead.
        """
        rows = []
        for number, found in enumerate(self.stream(pictures)):
            if found.probabilities is None:
                path = found.picture if isinstance(found.picture, str | PathLike) else None
                name = f"picture {number}" if path is None else fspath(path)
                raise UnreadableImage(f"{printable(name)}: {found.error}")
            rows.append(found.probabilities)
        return np.stack(rows) if rows else np.empty((0, len(self.classes)), np.float32)

    def stream(self, pictures: Iterable[P]) -> Iterator[Prediction[P]]:
        """Yield a prediction for each picture, in their order, in batches.

        Pictures are taken as they are needed: any number of them needs the same memory.
        """
        for group in self.read(pictures):
            whole = [one.views[0] for one in group if one.views]
            found = iter(self._probabilities(torch.stack(whole)) if whole else ())
            for one in group:
                known = next(found) if one.views else None
                yield Prediction(one.picture, known, one.error)

    def read(
        self, pictures: Iterable[P], views: Views | None = None
    ) -> Iterator[list[ReadPicture[P]]]:
        """Yield pictures as the network takes them, in groups of `batch_size`: the one view that
        validation has, or what `views` makes of each."""
        work = self._worker(views or (lambda picture: (self.transform(picture),)))
        ready = in_order(pictures, work, 2 * self.batch_size, self._threads)
        while group := list(islice(ready, self.batch_size)):
            yield group

    def view(self, picture: Picture) -> Tensor:
        """Return a picture as the network takes it: uint8 (3, H, W). Raises UnreadableImage."""
        return self.transform(self._reader.read(picture))

    def normalize(self, images: Tensor) -> Tensor:
        """Return pictures (N, 3, H, W), uint8, on the device, as `run.model` takes them."""
        return self._net.normalize(self.compute.place_images(images))

    def logits(self, images: Tensor) -> Tensor:
        """Return the logits (N, classes), float32, on the CPU, of pictures (N, 3, H, W): uint8,
        or float32 that is normalize already. Parts of a batch are taken where the memory is too
        small for all of it."""
        while True:
            try:
                return parts.forward(self._net, self.compute, images, self._part_size).float().cpu()
            except torch.cuda.OutOfMemoryError:
                if self._part_size == 1:
                    raise
                torch.cuda.empty_cache()
                self._part_size = -(-min(self._part_size, len(images)) // 2)

    def _probabilities(self, images: Tensor) -> Probabilities:
        found: Probabilities = self.logits(images).softmax(dim=1).numpy()
        return found

    def _worker(self, views: Views) -> Callable[[P], ReadPicture[P]]:
        def work(picture: P) -> ReadPicture[P]:
            try:
                read = self._reader.read(picture)
            except UnreadableImage as error:
                return ReadPicture(picture, (), str(error))
            return ReadPicture(picture, views(read))

        return work


def _compute(run: TrainedRun, device: str, precision: str) -> Compute:
    wanted = {"device": device, "precision": precision, "deterministic": False}
    return compute_options(with_values(run.config, wanted))[0]
