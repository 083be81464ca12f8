"""Dropout and stochastic depth whose random draws depend on the image, not on its place in a batch.

torch draws from a stream: with other micro-batches, or on several ranks, each image would get other
draws. Here a draw is a hash of (seed of the step, image, layer, element), computed on the device.
"""

import math

import torch
from timm.layers import DropPath
from torch import Tensor, nn

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15, the increment of SplitMix64
_FACTORS = (-4658895280553007687, -7723592293110705685)  # its two multipliers
_BITS = 31


class DropoutKeys:
    """The keys of the images in the current forward pass, shared by all layers of a model."""

    def __init__(self) -> None:
        self.keys: Tensor | None = None
        """(N,), int64, on the device."""

    def clear(self) -> None:
        """Let the next forward pass drop nothing."""
        self.keys = None

    def set(self, seed: int, indices: Tensor, device: torch.device) -> None:
        """Set the keys of the images with these `indices` (N,) in the dataset, in a step with this
        seed."""
        start = torch.tensor(seed & (2**63 - 1), device=device)
        self.keys = mix(start + mix(indices.to(device, non_blocking=True)))


def mix(numbers: Tensor) -> Tensor:
    """Return a hash of int64 numbers, by SplitMix64 (Steele, Lea and Flood, 2014)."""
    mixed = numbers + _GOLDEN
    for shift, factor in zip((30, 27), _FACTORS, strict=True):
        mixed = (mixed ^ _shifted(mixed, shift)) * factor
    return mixed ^ _shifted(mixed, 31)


def kept(keys: Tensor, layer: int, elements: int, drop: float) -> Tensor:
    """Return which of the `elements` of each image with these `keys` (N,) are kept, (N, elements).

    Each is dropped with probability `drop`, independently for each `layer`.
    """
    places = torch.arange(elements, device=keys.device) + (layer + 1) * 2**32
    draws = _shifted(mix(keys[:, None] ^ mix(places)[None]), 64 - _BITS)
    return draws.ge(round(drop * 2**_BITS))


def _shifted(numbers: Tensor, bits: int) -> Tensor:
    """Shift without copying the sign."""
    return numbers.bitwise_right_shift(bits).bitwise_and(2 ** (64 - bits) - 1)


class _Keyed(nn.Module):
    def __init__(self, drop: float, layer: int, keys: DropoutKeys) -> None:
        super().__init__()
        self.drop = drop
        self.layer = layer
        self._keys = keys

    def _scaled(self, inputs: Tensor, elements: int, shape: tuple[int, ...]) -> Tensor:
        """Return inputs (N, …) without the dropped elements, and with the same mean."""
        keys = self._keys.keys
        if not self.training or keys is None:
            return inputs
        if self.drop >= 1:
            return torch.zeros_like(inputs)
        mask = kept(keys, self.layer, elements, self.drop).view(shape)
        return inputs * mask.to(inputs.dtype).div(1 - self.drop)

    def extra_repr(self) -> str:
        """Show the probability."""
        return f"{self.drop:g}"


class KeyedDropPath(_Keyed):
    """Stochastic depth (Huang et al., 2016): drops the whole residual branch of an image."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return inputs (N, …), zero for the dropped images."""
        return self._scaled(inputs, 1, (len(inputs), *(1,) * (inputs.dim() - 1)))


class KeyedDropout(_Keyed):
    """Dropout of single elements."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return inputs (N, …), zero where an element is dropped."""
        return self._scaled(inputs, math.prod(inputs.shape[1:]), tuple(inputs.shape))


def use_keyed_dropout(model: nn.Module) -> DropoutKeys:
    """Replace a model's dropout and stochastic depth by keyed ones; return the keys to set.

    Without keys they drop nothing, like in evaluation.
    """
    keys, layer = DropoutKeys(), 0
    for name, module in list(model.named_modules()):
        if isinstance(module, DropPath) and module.drop_prob:
            found: nn.Module = KeyedDropPath(float(module.drop_prob), layer, keys)
        elif type(module) is nn.Dropout and module.p:
            found = KeyedDropout(float(module.p), layer, keys)
        else:
            continue
        parent, _, last = name.rpartition(".")
        found.train(module.training)
        setattr(model.get_submodule(parent), last, found)
        layer += 1
    return keys
