"""Small and imbalanced classes: warnings, loss weights and sampling probabilities."""

from collections import Counter
from collections.abc import Mapping, Sequence

SMALL_CLASS = 10
"""Number of training images below which a class is reported as small."""
IMBALANCE = 10
"""Ratio of the largest to the smallest class from which an imbalance is reported."""
_BETA = 0.999


def class_warnings(counts: Mapping[str, int], train: Mapping[str, int]) -> list[str]:
    """Return warnings about small classes and imbalance, one line each.

    `counts` are the numbers of all images per class, `train` those available for training.
    """
    warnings = []
    small = [name for name, count in train.items() if 0 < count < SMALL_CLASS]
    if small:
        warnings.append(f"{classes_have(small)} fewer than {SMALL_CLASS} training images")
    most, least = max(counts.values(), default=0), min(counts.values(), default=0)
    if least and most >= IMBALANCE * least:
        warnings.append(
            f"imbalance: the largest class has {most / least:.0f} times as many images as the "
            "smallest; see data.balance"
        )
    return warnings


def classes_have(classes: list[str]) -> str:
    """Return `cats has`, or `3 classes have`."""
    return f"{classes[0]} has" if len(classes) == 1 else f"{len(classes)} classes have"


def class_weights(labels: Sequence[int], classes: int) -> list[float]:
    """Return the loss weight of each class: the inverse of its effective number of images,
    (1 - beta) / (1 - beta^n) with beta = 0.999.

    See Cui et al., "Class-Balanced Loss Based on Effective Number of Samples" (CVPR 2019). The
    mean over the training images, whose labels are `labels`, is 1; a class without images has 0.
    """
    counts = Counter(labels)
    inverse = {label: (1 - _BETA) / (1 - _BETA**count) for label, count in counts.items()}
    mean = sum(inverse[label] * count for label, count in counts.items()) / max(1, len(labels))
    return [inverse[label] / mean if label in counts else 0.0 for label in range(classes)]


def balanced_probabilities(labels: Sequence[int]) -> list[float]:
    """Return the sampling probability of each image that draws all classes equally often.

    They sum to 1.
    """
    counts = Counter(labels)
    return [1 / (len(counts) * counts[label]) for label in labels]
