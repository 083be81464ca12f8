"""Classes of unequal or small size: what is worth saying of them, and what makes up for it."""

from collections import Counter
from collections.abc import Mapping, Sequence

SMALL_CLASS = 10
"""Pictures to train on below which a class is called small."""
IMBALANCE = 10
"""How many times the smallest class the largest may be without a word."""


def class_warnings(counts: Mapping[str, int], train: Mapping[str, int]) -> list[str]:
    """Return what a person should know, a line each: `counts` are all pictures of each class,
    `train` those that may train."""
    notes = []
    small = [name for name, count in train.items() if 0 < count < SMALL_CLASS]
    if small:
        notes.append(f"{classes_have(small)} fewer than {SMALL_CLASS} pictures to train on")
    most, least = max(counts.values(), default=0), min(counts.values(), default=0)
    if least and most >= IMBALANCE * least:
        notes.append(
            f"imbalance: the largest class has {most / least:.0f}x the smallest's; see data.balance"
        )
    return notes


def classes_have(classes: list[str]) -> str:
    """Return `cats has`, or `3 classes have`."""
    return f"{classes[0]} has" if len(classes) == 1 else f"{len(classes)} classes have"


_BETA = 0.999


def class_weights(labels: Sequence[int], classes: int) -> list[float]:
    """Return what the training loss of each class is multiplied by: the inverse of its effective
    number of pictures, (1 - beta) / (1 - beta^n), where beta is 0.999.

    That is Cui et al., "Class-Balanced Loss Based on Effective Number of Samples" (CVPR 2019). The
    mean over the training pictures, whose `labels` these are, is 1; a class without any has 0.
    """
    counts = Counter(labels)
    inverse = {label: (1 - _BETA) / (1 - _BETA**count) for label, count in counts.items()}
    mean = sum(inverse[label] * count for label, count in counts.items()) / max(1, len(labels))
    return [inverse[label] / mean if label in counts else 0.0 for label in range(classes)]


def balanced_probabilities(labels: Sequence[int]) -> list[float]:
    """Return the chance with which each picture is drawn so that all classes are drawn near_duplicates;
    they add up to 1."""
    counts = Counter(labels)
    return [1 / (len(counts) * counts[label]) for label in labels]
