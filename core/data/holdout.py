"""Choose which groups of images are held out, stratified by class, without dividing a group.

A group is what must stay in one split: copies of an image, or all images of a patient; most are of
one image. Exact class shares are a subset-sum problem. It is solved where taking groups by rank
leaves a gap, with sets of sums as the bits of integers.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_MAX_RANK = 1 << 63
_MAX_TABLE_BITS = 400_000_000
"""Limit of the subset-sum table of one class; a class that needs more keeps a small gap."""


@dataclass(frozen=True, slots=True)
class Group:
    """Images that stay in one split."""

    rank: int
    """From 0 to 2**63: lower ranks are held out first."""
    counts: Mapping[str, int]
    """Number of images per class."""

    @property
    def size(self) -> int:
        """Number of images."""
        return sum(self.counts.values())


def hold_out(groups: Sequence[Group], wanted: Mapping[str, int]) -> set[int]:
    """Return the indices of the groups to hold out.

    Each class comes as close to its `wanted` number of images as whole groups allow, and keeps at
    least one image on both sides if possible. Groups of several classes are chosen first, by rank;
    groups of one class then fill the gap. Ranks should differ; the order of `groups` has no effect.
    """
    by_rank = sorted(range(len(groups)), key=lambda index: groups[index].rank)
    classes = _class_states(groups, by_rank, wanted)
    mixed = [index for index in by_rank if len(groups[index].counts) > 1]
    chosen = _choose_by_rank(groups, mixed, classes)
    _improve(groups, mixed, classes, chosen)
    for state in classes.values():
        chosen.update(state.fill(groups))
    return chosen


@dataclass
class _ClassState:
    """A class, its groups without other classes, and the images held out so far."""

    wanted: int
    total: int
    pure: list[int]
    """Indices of the groups that have only this class, by rank."""
    sums: int
    """Bit n is set if some of the pure groups have n images in total."""
    held: int = 0
    """Images in mixed groups that are held out."""

    def target(self) -> int:
        """Return how many images to hold out from the pure groups."""
        aim = self.wanted - self.held
        # An image on both sides is more important than an exact share.
        both = _nearest(self.sums, aim, max(0, 1 - self.held), self.total - 1 - self.held)
        return both if both is not None else _nearest(self.sums, aim, 0, self.total) or 0

    def error(self) -> int:
        """Return the deviation from the wanted number, with a large penalty for an empty side."""
        held = self.target() + self.held
        one_sided = self.total > 1 and held in (0, self.total)
        return abs(held - self.wanted) + (self.total if one_sided else 0)

    def fill(self, groups: Sequence[Group]) -> list[int]:
        """Return pure groups with `target()` images in total, low ranks first."""
        target = self.target()
        taken = _first_fit(groups, self.pure, target)
        large = sum(groups[index].size > 1 for index in self.pure)
        gap = target - sum(groups[index].size for index in taken)
        if gap == 0 or (large + 1) * (target + 1) > _MAX_TABLE_BITS:
            return taken
        return _exact_fit(groups, self.pure, target)


def _class_states(
    groups: Sequence[Group], by_rank: Sequence[int], wanted: Mapping[str, int]
) -> dict[str, _ClassState]:
    totals: dict[str, int] = defaultdict(int)
    pure: dict[str, list[int]] = defaultdict(list)
    for index in by_rank:
        counts = groups[index].counts
        for label, count in counts.items():
            totals[label] += count
        if len(counts) == 1:
            pure[next(iter(counts))].append(index)
    return {
        label: _ClassState(
            number, totals[label], pure[label], _subset_sums([groups[i].size for i in pure[label]])
        )
        for label, number in wanted.items()
    }


def _subset_sums(sizes: Sequence[int]) -> int:
    sums = 1
    for size in sizes:
        if size > 1:
            sums |= sums << size
    return _add_ones(sums, sum(size == 1 for size in sizes))


def _add_ones(sums: int, ones: int) -> int:
    """Return the sums that are possible with up to `ones` more groups of one image."""
    step = 1
    while ones > 0:
        step = min(step, ones)
        sums |= sums << step
        ones -= step
        step *= 2
    return sums


def _nearest(sums: int, aim: int, low: int, high: int) -> int | None:
    """Return the sum in [low, high] nearest to `aim`, the smaller of two; None if there is none."""
    if high < low:
        return None
    inside = sums >> low & ((1 << (high - low + 1)) - 1)
    at = min(max(aim, low), high) - low
    below = (inside & ((1 << (at + 1)) - 1)).bit_length() - 1
    over = inside >> at
    above = at + (over & -over).bit_length() - 1 if over else None
    found = [n + low for n in (below, above) if n is not None and n >= 0]
    return min(found, key=lambda n: (abs(n - aim), n), default=None)


def _choose_by_rank(
    groups: Sequence[Group], mixed: Sequence[int], classes: Mapping[str, _ClassState]
) -> set[int]:
    total = sum(state.total for state in classes.values())
    share = sum(state.wanted for state in classes.values()) / max(1, total)
    chosen = set()
    for index in mixed:
        counts = groups[index].counts
        fits = all(n <= classes[label].wanted - classes[label].held for label, n in counts.items())
        if fits and groups[index].rank < share * _MAX_RANK:
            chosen.add(index)
            _add_held(classes, counts, 1)
    return chosen


def _add_held(classes: Mapping[str, _ClassState], counts: Mapping[str, int], sign: int) -> None:
    for label, count in counts.items():
        classes[label].held += sign * count


def _improve(
    groups: Sequence[Group],
    mixed: Sequence[int],
    classes: Mapping[str, _ClassState],
    chosen: set[int],
) -> None:
    """Move mixed groups to the other side while that reduces the deviation."""
    improved = True
    while improved:
        improved = False
        for index in mixed:
            counts = groups[index].counts
            before = sum(classes[label].error() for label in counts)
            if before == 0:
                continue
            sign = -1 if index in chosen else 1
            _add_held(classes, counts, sign)
            if sum(classes[label].error() for label in counts) < before:
                chosen ^= {index}
                improved = True
            else:
                _add_held(classes, counts, -sign)


def _first_fit(groups: Sequence[Group], indices: Sequence[int], target: int) -> list[int]:
    taken, left = [], target
    for index in indices:
        if groups[index].size <= left:
            taken.append(index)
            left -= groups[index].size
    return taken


def _exact_fit(groups: Sequence[Group], indices: Sequence[int], target: int) -> list[int]:
    """Return groups with exactly `target` images in total, low ranks first; one must exist."""
    below = (1 << (target + 1)) - 1
    rest = [(1, 0)]  # subset sums of the last 0, 1, 2 … groups, and their number of single images
    for index in reversed(indices):
        sums, ones = rest[-1]
        size = groups[index].size
        rest.append((sums, ones + 1) if size == 1 else ((sums | sums << size) & below, ones))
    taken, left = [], target
    for index, (sums, ones) in zip(indices, reversed(rest[:-1]), strict=True):
        size = groups[index].size
        if size <= left and _is_reachable(sums, ones, left - size):
            taken.append(index)
            left -= size
    return taken


def _is_reachable(sums: int, ones: int, number: int) -> bool:
    """Return whether one of the sums plus up to `ones` equals a number."""
    least = max(0, number - ones)
    return bool(sums >> least & ((1 << (number - least + 1)) - 1))
