"""Normalize uint8 images on the model's device."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class NormalizedModel(nn.Module):
    """Model that normalizes uint8 images before the forward pass.

    uint8 images are a quarter of the size of float32 to copy between processes and to the device.
    Arithmetic and order of operations are those of torchvision's ToTensor and Normalize.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        """`mean` and `std` are per channel, of values from 0 to 1."""
        super().__init__()
        self.model = model
        device = next(model.parameters()).device
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values, device=device)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, classes) of images (N, C, H, W): uint8, or normalized float32."""
        if images.dtype == torch.uint8:
            images = self.normalize(images)
        return self.model(images)  # type: ignore[no-any-return]

    def normalize(self, images: Tensor) -> Tensor:
        """Return images (N, C, H, W), uint8 or already normalized float32, as normalized float32
        in new memory."""
        if images.dtype != torch.uint8:
            return images.clone()
        return images.float().div_(255).sub_(self.mean).div_(self.std)
