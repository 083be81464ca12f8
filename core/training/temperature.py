"""Temperature scaling (Guo et al., 2017): the division of logits that calibrates confidence."""

import math

import torch
from torch import Tensor

_COLDEST, _HOTTEST = 0.05, 20.0
_HALVINGS = 30


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the temperature whose division of logits (N, classes) gives the lowest cross entropy.

    It is 1 where nothing can be learned: without a mistake, or without a hit, among the labels (N,)
    the best temperature has no end. Synchronizes with the device.
    """
    known = torch.isfinite(logits).all(dim=1)
    logits, labels = logits[known].double(), labels[known]
    hits = logits.argmax(dim=1) == labels
    if hits.all() or not hits.any():
        return 1.0
    # The loss is convex in the inverse temperature: its slope changes sign once.
    low, high = 1 / _HOTTEST, 1 / _COLDEST
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        if _slope(logits, labels, middle) < 0:
            low = middle
        else:
            high = middle
    return round(1 / math.sqrt(low * high), 4)


def _slope(logits: Tensor, labels: Tensor, inverse: float) -> float:
    """Return the derivative of the mean cross entropy with respect to the inverse temperature."""
    expected = ((logits * inverse).softmax(dim=1) * logits).sum(dim=1)
    mean: Tensor = (expected - logits.gather(1, labels[:, None])[:, 0]).mean()
    return mean.item()
