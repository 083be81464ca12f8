"""Frozen backbone of phase head: computes features, or logits from cached features."""

import hashlib
from collections.abc import Container

import torch
from torch import Tensor, nn

from core.model.normalize import NormalizedModel


class FrozenBackbone(nn.Module):
    """A network with a frozen backbone: images (N, C, H, W) pass through all of it, features (N, F)
    only through the classifier head."""

    def __init__(self, net: NormalizedModel) -> None:
        super().__init__()
        self.net = net
        self.captured: list[Tensor] | None = None
        """The inputs of the classifier, one tensor per call; None unless they are captured."""

    @property
    def classifier(self) -> nn.Linear:
        """The trainable layer."""
        return self.net.model.get_classifier()  # type: ignore[operator,no-any-return]

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits (N, classes)."""
        if inputs.dim() == 2:
            return self.classifier(inputs)  # type: ignore[no-any-return]
        captured = self.captured
        if captured is None:
            return self.net(inputs)  # type: ignore[no-any-return]
        hook = self.classifier.register_forward_pre_hook(
            lambda module, arguments: captured.append(arguments[0].detach())
        )
        try:
            return self.net(inputs)  # type: ignore[no-any-return]
        finally:
            hook.remove()


def is_deterministic(net: FrozenBackbone, images: Tensor) -> bool:
    """Return whether the network computes equal features (N, F) in two passes over the images.

    Detects dropout, stochastic depth and BatchNorm that ignore eval mode. The tolerance is for GPU
    kernels, whose sums may differ in the last bits.
    """
    found = []
    for _ in range(2):
        net.captured = []
        with torch.inference_mode():
            net(images)
        found.append(torch.cat(net.captured).float() if net.captured else torch.empty(0))
    net.captured = None
    return found[0].dim() == 2 and torch.allclose(found[0], found[1], rtol=1e-2, atol=1e-3)


def weights_digest(model: nn.Module, exclude: Container[str]) -> str:
    """Return a hash of a model's tensors, except those named in `exclude`."""
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        if name not in exclude:
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
