"""Assign groups of images to train, val and test: stratified by class, by seed, independent of the
listing order."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product

from core.common.errors import DataError
from core.common.format import counted
from core.common.seeds import derive_seed
from core.common.text import quoted
from core.data.holdout import Group, hold_out
from core.data.scan import ImageFile

SPLITS = ("train", "val", "test")

_MAX_TRIED = 7
"""Groups up to which all 3**n assignments to three splits are tried."""

_Shares = Mapping[str, tuple[int, int, int]]
"""Numbers of train, val and test images by class."""


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """How images are divided where the folders don't define the split."""

    val_fraction: float
    seed: int
    test_fraction: float = 0.0
    group: str | None = None
    """Regular expression: images with equal matches in their paths stay in one split."""
    near_duplicates: str = "group"
    """`group`: in one split where the class shares allow it; `warn`: reported; `ignore`."""
    folds: int = 0
    """Number of folds, of which `fold` is val, instead of `val_fraction`; 0 = none."""
    fold: int = 0


@dataclass(frozen=True, slots=True)
class MissedShare:
    """A class with more than one image too few or too many in a split, or with none."""

    label: str
    split: str
    images: int
    wanted: int

    @property
    def gap(self) -> int:
        """By how many images the share is missed."""
        return abs(self.images - self.wanted)


def split_images(
    images: list[ImageFile],
    options: SplitOptions,
    groups: Sequence[Sequence[ImageFile]] | None = None,
) -> list[ImageFile]:
    """Return the images sorted by path, each with its split.

    Every class gives `test_fraction` of its images to test and `val_fraction` to val, rounded, at
    least one image to each split, as close as the indivisible `groups` allow. The rank of a group
    depends only on the seed and its first path, so the listing order has no effect. Raises
    DataError for a class with fewer images than splits.
    """
    sizes = Counter(image.label for image in images)
    needed = (3, "train, val and test") if options.test_fraction else (2, "train and val")
    check_class_sizes(sizes, *needed)
    ordered = [sorted(group, key=lambda p: p.path) for group in groups or [[p] for p in images]]
    split_of = _assign(ordered, wanted_shares(sizes, options), options)
    assigned = [replace(image, split=split_of.get(image.path, "train")) for image in images]
    return sorted(assigned, key=lambda p: p.path)


def missed_shares(images: Iterable[ImageFile], options: SplitOptions) -> list[MissedShare]:
    """Return where a split of `split_images` misses the share of a class by more than an image."""
    counts = Counter((image.label, image.split) for image in images)
    sizes: Counter[str] = Counter()
    for (label, _), number in counts.items():
        sizes[label] += number
    found = [
        MissedShare(label, split, counts[label, split], number)
        for label, numbers in sorted(wanted_shares(sizes, options).items())
        for split, number in zip(SPLITS, numbers, strict=True)
    ]
    return [
        one
        for one in found
        if (one.gap > 1 and one.split != "train") or (one.wanted and not one.images)
    ]


def held_out_count(count: int, fraction: float) -> int:
    """Return how many of `count` images are held out: at least one, and not all."""
    return max(0, min(count - 1, max(1, round(count * fraction))))


def split_counts(
    count: int, val_fraction: float, test_fraction: float, folds: int = 0
) -> tuple[int, int, int]:
    """Return the numbers of train, val and test images of a class of `count` without groups; with
    `folds` those of the smallest fold."""
    kept = folds or 2
    test = min(held_out_count(count, test_fraction), max(0, count - kept)) if test_fraction else 0
    if folds:
        val = (count - test) // folds
    else:
        val = min(held_out_count(count, val_fraction), max(0, count - test - 1))
    return count - test - val, val, test


def wanted_shares(sizes: Mapping[str, int], options: SplitOptions) -> _Shares:
    """Return the numbers of train, val and test images by class, from the sizes of the classes."""
    return {
        label: split_counts(number, options.val_fraction, options.test_fraction, options.folds)
        for label, number in sizes.items()
    }


def _assign(
    groups: list[list[ImageFile]], shares: _Shares, options: SplitOptions
) -> dict[str, str]:
    """Return the split of every image that is not in train, by path.

    One split after the other is held out. Where large groups make the first order miss a share,
    the others are tried, for a few groups every assignment, and the one that misses least is used.
    """
    orders: tuple[tuple[str, ...], ...] = (("val",),)
    if options.test_fraction:
        orders = ("test", "val"), ("val", "test"), ("held out", "test"), ("held out", "val")
    best: dict[str, str] = {}
    least: int | None = None
    candidates: Iterable[dict[str, str]] = (
        _hold_out_in_order(groups, shares, order, options.seed) for order in orders
    )
    if len(orders) > 1 and len(groups) <= _MAX_TRIED:
        candidates = chain(candidates, _every_assignment(groups))
    for found in candidates:
        error = _error(groups, found, shares)
        if least is None or error < least:
            best, least = found, error
        if least == 0:
            break
    return best


def _every_assignment(groups: list[list[ImageFile]]) -> Iterator[dict[str, str]]:
    for splits in product(SPLITS, repeat=len(groups)):
        yield {
            image.path: split
            for group, split in zip(groups, splits, strict=True)
            for image in group
        }


def _hold_out_in_order(
    groups: list[list[ImageFile]], shares: _Shares, order: Sequence[str], seed: int
) -> dict[str, str]:
    split_of: dict[str, str] = {}
    rest = groups
    if order[0] == "held out":
        # Val and test together first, then one of them out of both.
        wanted = {label: val + test for label, (_, val, test) in shares.items()}
        held, _ = hold_out_groups(groups, wanted, seed, "val")
        other = "val" if order[1] == "test" else "test"
        split_of = {p.path: other for group in held for p in group}
        rest, order = held, order[1:]
    for split in order:
        wanted = {label: numbers[SPLITS.index(split)] for label, numbers in shares.items()}
        held, rest = hold_out_groups(rest, wanted, seed, split)
        split_of.update((p.path, split) for group in held for p in group)
    return split_of


def hold_out_groups(
    groups: list[list[ImageFile]], wanted: Mapping[str, int], seed: int, split: str
) -> tuple[list[list[ImageFile]], list[list[ImageFile]]]:
    """Return the groups that are held out for a split, and the others."""
    purpose = {"val": "split", "test": "test"}[split]
    left = Counter(p.label for group in groups for p in group)
    ranked = [
        Group(derive_seed(seed, purpose, members[0].path), Counter(p.label for p in members))
        for members in groups
    ]
    # A group may have exceeded the share of a class; leave at least one image for the others.
    chosen = hold_out(
        ranked, {label: max(0, min(wanted[label], number - 1)) for label, number in left.items()}
    )
    held = [members for number, members in enumerate(groups) if number in chosen]
    return held, [members for number, members in enumerate(groups) if number not in chosen]


def _error(groups: list[list[ImageFile]], split_of: Mapping[str, str], shares: _Shares) -> int:
    """Return by how many images the shares are missed; an empty split counts as the whole class."""
    counts = Counter((p.label, split_of.get(p.path, "train")) for group in groups for p in group)
    error = 0
    for label, numbers in shares.items():
        for split, wanted in zip(SPLITS, numbers, strict=True):
            empty = wanted > 0 and counts[label, split] == 0
            error += abs(counts[label, split] - wanted) + (sum(numbers) if empty else 0)
    return error


def check_class_sizes(sizes: Mapping[str, int], least: int, splits: str) -> None:
    """Raise DataError for a class with fewer images than there are splits."""
    for label, count in sizes.items():
        if count < least:
            raise DataError(
                f"class {quoted(label)} has {counted(count, 'readable image')}; a split into "
                f"{splits} needs at least {least}: add images or remove the class"
            )
