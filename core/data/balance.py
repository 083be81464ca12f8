"""Classes of unequal or small size: what is worth saying of them."""

from collections.abc import Mapping

SMALL_CLASS = 10
"""Pictures to train on below which a class is called small."""
IMBALANCE = 10
"""How many times the smallest class the largest may be without a word."""


def class_notes(counts: Mapping[str, int], train: Mapping[str, int]) -> list[str]:
    """Return what a person should know, a line each: `counts` are all pictures of each class,
    `train` those that may train."""
    notes = []
    small = [name for name, count in train.items() if 0 < count < SMALL_CLASS]
    if small:
        notes.append(f"{named(small)} fewer than {SMALL_CLASS} pictures to train on")
    most, least = max(counts.values(), default=0), min(counts.values(), default=0)
    if least and most >= IMBALANCE * least:
        notes.append(f"imbalance: the largest class has {most / least:.0f}x the smallest's")
    return notes


def named(classes: list[str]) -> str:
    """Return `cats has`, or `3 classes have`."""
    return f"{classes[0]} has" if len(classes) == 1 else f"{len(classes)} classes have"
