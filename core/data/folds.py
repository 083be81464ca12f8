"""Divide images into folds for cross-validation: stratified by class, by seed, independent of the
listing order, without dividing a group."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from core.common.errors import DataError
from core.common.seeds import derive_seed
from core.common.text import quoted
from core.data.assign import SplitOptions, check_class_sizes, hold_out_groups, wanted_shares
from core.data.holdout import Group
from core.data.scan import ImageFile

_MAX_MOVES = 20_000
"""Moves tried where groups keep a class from being divided evenly; about a second."""
_TOLERANCE = 1e-9
_Signature = tuple[tuple[str, int], ...]


def split_into_folds(
    images: Sequence[ImageFile], groups: Sequence[Sequence[ImageFile]], options: SplitOptions
) -> tuple[list[ImageFile], dict[str, int]]:
    """Return the images sorted by path, each with its split, and the classes that are missing in
    folds, with the number of folds that have them.

    Test images are held out first, equally for every `options.fold`. Of the others, the images of
    fold `options.fold` are val, and each image is val in exactly one fold. The rank of a group
    depends only on the seed and its first path. Raises DataError for a class with fewer images than
    folds.
    """
    sizes = Counter(image.label for image in images)
    has_test = bool(options.test_fraction)
    needed = f"{options.folds} folds" + (" and test" if has_test else "")
    check_class_sizes(sizes, options.folds + has_test, needed)
    rest = [sorted(group, key=lambda p: p.path) for group in groups]
    split_of: dict[str, str] = {}
    if has_test:
        wanted = {label: test for label, (_, _, test) in wanted_shares(sizes, options).items()}
        held, rest = hold_out_groups(rest, wanted, options.seed, "test")
        split_of.update((image.path, "test") for group in held for image in group)
    ranked = [
        Group(derive_seed(options.seed, "fold", members[0].path), Counter(p.label for p in members))
        for members in rest
    ]
    folds = assign_folds(ranked, options.folds)
    found: dict[str, set[int]] = {label: set() for label in sizes}
    for members, fold in zip(rest, folds, strict=True):
        for image in members:
            found[image.label].add(fold)
            split_of[image.path] = "val" if fold == options.fold else "train"
    assigned = [replace(image, split=split_of[image.path]) for image in images]
    missing = {label: len(used) for label, used in found.items() if len(used) < options.folds}
    return sorted(assigned, key=lambda p: p.path), missing


def refuse_missing(missing: dict[str, int], options: SplitOptions) -> None:
    """Raise DataError if a class is missing in a fold."""
    for label, number in sorted(missing.items()):
        kept = "copies and groups by data.group" if options.group else "copies"
        raise DataError(
            f"class {quoted(label)} has images for only {number} of {options.folds} folds, because "
            f"{kept} stay in one fold; lower data.folds, add images or remove the class"
        )


def assign_folds(groups: Sequence[Group], folds: int) -> list[int]:
    """Return the fold of each group, with the images of each class spread as evenly as possible.

    Classes of single images differ by at most one image between folds, and so do the sizes of the
    folds. Ranks should differ; the order of `groups` has no effect.
    """
    order = sorted(
        range(len(groups)),
        key=lambda index: (-groups[index].size, _signature(groups[index]), groups[index].rank),
    )
    return _Folds([groups[index] for index in order], folds).assign(order)


def _signature(group: Group) -> _Signature:
    return tuple(sorted(group.counts.items()))


class _Folds:
    """The images of each class in each fold, while groups are placed and moved."""

    def __init__(self, groups: Sequence[Group], folds: int) -> None:
        """`groups` are in the order in which they are placed."""
        self._groups = groups
        self._folds = range(folds)
        self._totals = [0] * folds
        self._counts: dict[str, list[int]] = defaultdict(lambda: [0] * folds)
        self._sizes: Counter[str] = Counter()
        for group in groups:
            self._sizes.update(group.counts)
        self._placed: dict[tuple[int, _Signature], list[int]] = defaultdict(list)
        """Positions of the groups by fold and signature, as equal ones are interchangeable."""
        self._moves_left = _MAX_MOVES

    def assign(self, order: Sequence[int]) -> list[int]:
        """Return the fold of each group, by its index in `order`."""
        for position, group in enumerate(self._groups):
            fold = min(self._folds, key=lambda f: (*self._cost_of(group, f), self._totals[f], f))
            self._place(position, fold)
        while self._moves_left > 0 and self._improve():
            pass
        result = [0] * len(order)
        for (fold, _), positions in self._placed.items():
            for position in positions:
                result[order[position]] = fold
        return result

    def _cost_of(self, group: Group, fold: int) -> tuple[int, float]:
        """Return the cost of placing a group: first the folds that stay without a class, then the
        squared class shares."""
        filled = sum(self._counts[label][fold] == 0 for label in group.counts)
        cost = sum(
            (2 * self._counts[label][fold] + number) * number / self._sizes[label]
            for label, number in group.counts.items()
        )
        return (-filled if len(group.counts) > 1 else 0), cost

    def _place(self, position: int, fold: int, sign: int = 1) -> None:
        group = self._groups[position]
        for label, number in group.counts.items():
            self._counts[label][fold] += sign * number
        self._totals[fold] += sign * group.size
        positions = self._placed[fold, _signature(group)]
        if sign > 0:
            positions.append(position)
        else:
            positions.remove(position)

    def _improve(self) -> bool:
        """Move a group, or swap two, where that makes the classes more even."""
        uneven = {label for label in self._counts if not self._is_even(label)}
        for moves in self._candidates(uneven):
            if self._moves_left <= 0:
                return False
            self._moves_left -= 1
            labels = {label for position, *_ in moves for label in self._groups[position].counts}
            before = self._cost(labels)
            for position, source, target in moves:
                self._move(position, source, target)
            empty, cost = self._cost(labels)
            if (empty, cost + _TOLERANCE) < before:
                return True
            for position, source, target in moves:
                self._move(position, target, source)
        return False

    def _candidates(self, uneven: set[str]) -> Iterator[tuple[tuple[int, int, int], ...]]:
        """Yield moves of groups with images of uneven classes: position, from, to."""
        if not uneven:
            return
        kinds = [(key, positions[-1]) for key, positions in self._placed.items() if positions]
        touching = [item for item in kinds if any(label in uneven for label, _ in item[0][1])]
        for (fold, _), position in touching:
            yield from (((position, fold, other),) for other in self._folds if other != fold)
        for (fold, signature), position in touching:
            for (other, second), partner in kinds:
                if fold != other and signature != second:
                    yield (position, fold, other), (partner, other, fold)

    def _move(self, position: int, source: int, target: int) -> None:
        self._place(position, source, -1)
        self._place(position, target)

    def _is_even(self, label: str) -> bool:
        counts = self._counts[label]
        return max(counts) - min(counts) <= 1

    def _cost(self, labels: set[str]) -> tuple[int, float]:
        empty = sum(self._counts[label].count(0) for label in labels)
        return empty, sum(
            sum(n * n for n in self._counts[label]) / self._sizes[label] for label in sorted(labels)
        )
