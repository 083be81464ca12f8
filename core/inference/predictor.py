"""Predict class probabilities of images with a run's model."""

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

from core.common.errors import SetupError
from core.common.text import printable
from core.config.load import with_values
from core.data.decode import UnreadableImage
from core.inference.image_reader import ImageInput, ImageReader, in_order
from core.inference.trained_run import TrainedRun
from core.model.device import Compute, compute_options
from core.model.normalize import NormalizedModel
from core.training import micro_batches

BATCH_SIZES = {"cuda": 128}
BATCH_SIZE = 32
"""Images per batch on other devices; larger batches are no faster on a CPU."""
P = TypeVar("P", bound=ImageInput)
Probabilities = NDArray[np.float32]
ViewFunction = Callable[[Image.Image], tuple[Tensor, ...]]
"""From an RGB image to views of it (3, H, W), uint8."""


class NonfiniteOutput(SetupError):
    """A model whose logits are not finite, so that they order no classes."""


def require_finite(logits: Tensor, run: TrainedRun) -> Tensor:
    """Return logits; raise NonfiniteOutput if they are not all finite."""
    if not bool(logits.isfinite().all()):
        raise NonfiniteOutput(
            f"{run}: the output of the network is not finite (NaN or infinite), so it predicts "
            "nothing; use another --checkpoint or, with reduced precision, --precision fp32"
        )
    return logits


@dataclass(frozen=True, slots=True)
class Prediction(Generic[P]):
    """Class probabilities of one image."""

    image: P
    """As it was given."""
    probabilities: Probabilities | None
    """(classes,), float32, summing to 1; None if the image can't be read."""
    error: str = ""
    """Why the image can't be read."""


@dataclass(frozen=True, slots=True)
class DecodedImage(Generic[P]):
    """An image as model input, before normalization."""

    image: P
    """As it was given."""
    views: tuple[Tensor, ...]
    """Each (3, H, W), uint8; empty if the image can't be read."""
    error: str = ""
    """Why the image can't be read."""


class Predictor:
    """A run's model on a device, with its transform and class names.

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
        """`device` is `auto`, `cpu`, `cuda` or `mps`; `precision` is `fp32`, `bf16`, `fp16` or
        `auto` (bf16 or fp16 on CUDA devices). `threads` is the number of threads that read
        images, by default one per CPU core. Raises DeviceError if the device is not available."""
        self.run = run
        self.compute = _compute(run, device, precision)
        self.batch_size = batch_size or BATCH_SIZES.get(self.compute.device.type, BATCH_SIZE)
        self.transform = run.val_transform()
        self._threads = threads
        self._micro_batch_size = self.batch_size
        self._reader = ImageReader(run)
        net = NormalizedModel(run.model, run.transform["mean"], run.transform["std"])
        self.compute.place_model(net)
        self._net = net.eval()

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities."""
        return self.run.classes

    @property
    def values_note(self) -> str:
        """A sentence about images so far whose values the run's value range doesn't hold, or ""."""
        return self._reader.note

    def predict(self, images: Iterable[ImageInput]) -> Probabilities:
        """Return the class probabilities (N, classes), float32, of images: paths, file contents or
        PIL images.

        Raises UnreadableImage, naming the image, for the first one that can't be read; `stream`
        continues instead.
        """
        rows = []
        for number, prediction in enumerate(self.stream(images)):
            if prediction.probabilities is None:
                image = prediction.image
                name = fspath(image) if isinstance(image, str | PathLike) else f"image {number}"
                raise UnreadableImage(f"{printable(name)}: {prediction.error}")
            rows.append(prediction.probabilities)
        return np.stack(rows) if rows else np.empty((0, len(self.classes)), np.float32)

    def stream(self, images: Iterable[P]) -> Iterator[Prediction[P]]:
        """Yield a prediction for each image, in order, computed in batches.

        Images are consumed as they are needed: memory use doesn't depend on their number.
        """
        for batch in self.read(images):
            readable = [one.views[0] for one in batch if one.views]
            probabilities = iter(self._probabilities(torch.stack(readable)) if readable else ())
            for one in batch:
                yield Prediction(one.image, next(probabilities) if one.views else None, one.error)

    def read(
        self, images: Iterable[P], views: ViewFunction | None = None
    ) -> Iterator[list[DecodedImage[P]]]:
        """Yield images as model input, in batches of `batch_size`: the view of the validation
        transform, or those that `views` returns."""
        work = self._decoder(views or (lambda image: (self.transform(image),)))
        decoded = in_order(images, work, 2 * self.batch_size, self._threads)
        while batch := list(islice(decoded, self.batch_size)):
            yield batch

    def view(self, image: ImageInput) -> Tensor:
        """Return an image as model input before normalization, uint8 (3, H, W).

        Raises UnreadableImage.
        """
        return self.transform(self._reader.read(image))

    def normalize(self, images: Tensor) -> Tensor:
        """Return images (N, 3, H, W), uint8, normalized and on the device, as `run.model` takes
        them."""
        return self._net.normalize(self.compute.place_images(images))

    def logits(self, images: Tensor) -> Tensor:
        """Return the logits (N, classes), float32, on the CPU, of images (N, 3, H, W): uint8, or
        normalized float32. A batch that doesn't fit into the device memory is split. Raises
        NonfiniteOutput."""
        while True:
            try:
                logits = micro_batches.forward(
                    self._net, self.compute, images, self._micro_batch_size
                )
                return require_finite(logits.float().cpu(), self.run)
            except torch.cuda.OutOfMemoryError:
                if self._micro_batch_size == 1:
                    raise
                torch.cuda.empty_cache()
                self._micro_batch_size = -(-min(self._micro_batch_size, len(images)) // 2)

    def _probabilities(self, images: Tensor) -> Probabilities:
        probabilities: Probabilities = self.logits(images).softmax(dim=1).numpy()
        return probabilities

    def _decoder(self, views: ViewFunction) -> Callable[[P], DecodedImage[P]]:
        def decode(image: P) -> DecodedImage[P]:
            try:
                decoded = self._reader.read(image)
            except UnreadableImage as error:
                return DecodedImage(image, (), str(error))
            return DecodedImage(image, views(decoded))

        return decode


def _compute(run: TrainedRun, device: str, precision: str) -> Compute:
    options = {"device": device, "precision": precision, "deterministic": False}
    return compute_options(with_values(run.config, options))[0]
