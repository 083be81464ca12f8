"""Choose which groups of images are held out, stratified by class, without dividing a group.

A group is what must stay in one split: copies of an image, or all images of a patient; most are of
one image. Exact class shares are a subset-sum problem. It is solved where taking groups by rank
leaves a gap, with sets of sums as the bits of integers.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from random import Random

_MAX_RANK = 1 << 63
_MAX_MOVES = 20_000
"""Moves tried where groups of several classes don't meet all shares at once; about a second."""
_SHAKEN = 4
"""Groups moved at random before another descent."""
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
    chosen = _MixedGroups(groups, mixed, classes).search() if mixed else set()
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
    _errors: dict[int, int] = field(default_factory=dict)
    """Known results of `error` by `held`."""

    def target(self) -> int:
        """Return how many images to hold out from the pure groups."""
        aim = self.wanted - self.held
        # An image on both sides is more important than an exact share.
        both = _nearest(self.sums, aim, max(0, 1 - self.held), self.total - 1 - self.held)
        return both if both is not None else _nearest(self.sums, aim, 0, self.total) or 0

    def error(self) -> int:
        """Return the deviation from the wanted number, with a large penalty for an empty side."""
        if self.held not in self._errors:
            held = self.target() + self.held
            one_sided = self.total > 1 and held in (0, self.total)
            self._errors[self.held] = abs(held - self.wanted) + (self.total if one_sided else 0)
        return self._errors[self.held]

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


class _MixedGroups:
    """Search for the groups of several classes to hold out: local search with restarts.

    Held counts per class are kept in the class states while groups are moved.
    """

    def __init__(
        self, groups: Sequence[Group], mixed: Sequence[int], classes: Mapping[str, _ClassState]
    ) -> None:
        self._counts = {index: groups[index].counts for index in mixed}
        self._ranks = {index: groups[index].rank for index in mixed}
        self._classes = classes
        self._labels = {label for counts in self._counts.values() for label in counts}
        self._chosen: set[int] = set()
        self._moves_left = _MAX_MOVES

    def search(self) -> set[int]:
        """Return the chosen groups, and leave their counts in the class states."""
        self._choose_by_rank()
        best, least = self._descend(), self._error(self._labels)
        # From the ranks alone, so that the order of the groups has no effect.
        random = Random(sum(self._ranks.values()))
        while least > 0 and self._moves_left > 0:
            self._set(best)
            self._flip(*random.sample(list(self._counts), min(len(self._counts), _SHAKEN)))
            found, error = self._descend(), self._error(self._labels)
            if error < least:
                best, least = found, error
        self._set(best)
        return best

    def _choose_by_rank(self) -> None:
        total = sum(state.total for state in self._classes.values())
        share = sum(state.wanted for state in self._classes.values()) / max(1, total)
        for index, counts in self._counts.items():
            fits = all(
                number <= self._classes[label].wanted - self._classes[label].held
                for label, number in counts.items()
            )
            if fits and self._ranks[index] < share * _MAX_RANK:
                self._flip(index)

    def _descend(self) -> set[int]:
        """Move groups, or swap two of them, to the other side while that reduces the error."""
        improved = True
        while improved:
            improved = self._try_moves((index,) for index in self._counts)
            if not improved and self._moves_left > 0:
                improved = self._try_moves(combinations(self._counts, 2))
        return set(self._chosen)

    def _try_moves(self, moves: Iterable[tuple[int, ...]]) -> bool:
        improved = False
        for move in moves:
            labels = {label for index in move for label in self._counts[index]}
            before = self._error(labels)
            if before == 0:
                continue
            self._moves_left -= 1
            self._flip(*move)
            if self._error(labels) < before:
                improved = True
            else:
                self._flip(*move)
            if len(move) > 1 and (improved or self._moves_left <= 0):
                break
        return improved

    def _set(self, chosen: set[int]) -> None:
        self._flip(*(self._chosen ^ chosen))

    def _flip(self, *indices: int) -> None:
        """Move groups to the other side."""
        for index in indices:
            sign = -1 if index in self._chosen else 1
            self._chosen ^= {index}
            for label, count in self._counts[index].items():
                self._classes[label].held += sign * count

    def _error(self, labels: Iterable[str]) -> int:
        return sum(self._classes[label].error() for label in labels)


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
