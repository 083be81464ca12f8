"""From the bytes of pictures to what a network takes, on the network's own device."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class NormalizedModel(nn.Module):
    """A network that takes pictures as bytes and normalises them itself.

    Bytes are a quarter of what would otherwise be copied between processes and to the device. The
    arithmetic is that of torchvision's ToTensor and Normalize, in the same order.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        """`mean` and `std` are those of the model's channels, for pictures from 0 to 1."""
        super().__init__()
        self.model = model
        device = next(model.parameters()).device
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values, device=device)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N, classes) of pictures (N, C, H, W): uint8, or float32 that is
        normalize already."""
        if images.dtype == torch.uint8:
            images = self.normalize(images)
        return self.model(images)  # type: ignore[no-any-return]

    def normalize(self, images: Tensor) -> Tensor:
        """Return pictures (N, C, H, W) as the model takes them, float32 and in memory of their
        own: uint8, or float32 that is normalize already."""
        if images.dtype != torch.uint8:
            return images.clone()
        return images.float().div_(255).sub_(self.mean).div_(self.std)
