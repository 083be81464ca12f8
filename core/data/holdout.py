"""Which groups of pictures are held out, so that every class gives its share and no group is torn.

A group is what must stay together: copies of a picture, or all pictures of a patient; most are of
one picture. Shares that come out exactly are a subset-sum problem. It is solved where going by
rank leaves a gap, with sets of sums as the bits of whole numbers.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_RANKS = 1 << 63
_LARGEST_TABLE = 400_000_000
"""Bits that the sums of one class may take; a class that needs more keeps a small gap."""


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures that stay together."""

    rank: int
    """From 0 to 2**63: the lower, the sooner it is held out."""
    counts: Mapping[str, int]
    """How many pictures of each class are in it."""

    @property
    def size(self) -> int:
        """All of its pictures."""
        return sum(self.counts.values())


def hold_out(groups: Sequence[Group], wanted: Mapping[str, int]) -> set[int]:
    """Return the places of the groups to hold out, so that each class comes as near to the number
    `wanted` of its pictures as whole groups allow, and keeps something on both sides.

    DisjointSets of several classes are settled first, by their ranks; those of one class make up what is
    missing. Ranks should differ; the same groups in another order give the same.
    """
    by_rank = sorted(range(len(groups)), key=lambda place: groups[place].rank)
    classes = _classes(groups, by_rank, wanted)
    several = [place for place in by_rank if len(groups[place].counts) > 1]
    chosen = _by_rank(groups, several, classes)
    _mend(groups, several, classes, chosen)
    for one in classes.values():
        chosen.update(one.fill(groups))
    return chosen


@dataclass
class _Class:
    """A class, and the groups that have no other."""

    wanted: int
    total: int
    places: list[int]
    sums: int
    """Bit n is set where some of these groups have n pictures together."""
    held: int = 0
    """Pictures in groups of several classes that are held out."""

    def target(self) -> int:
        """Return how many pictures to take from the groups of this class alone."""
        aim = self.wanted - self.held
        # Something of the class on both sides goes before coming near.
        apart = _nearest(self.sums, aim, max(0, 1 - self.held), self.total - 1 - self.held)
        return apart if apart is not None else _nearest(self.sums, aim, 0, self.total) or 0

    def miss(self) -> int:
        """Return by how much the class will miss its share; much, if it had only one side."""
        target = self.target() + self.held
        one_sided = self.total > 1 and target in (0, self.total)
        return abs(target - self.wanted) + (self.total if one_sided else 0)

    def fill(self, groups: Sequence[Group]) -> list[int]:
        """Return groups of this class alone that come to the target, low ranks first."""
        target = self.target()
        taken = _first_fit(groups, self.places, target)
        large = sum(groups[place].size > 1 for place in self.places)
        gap = target - sum(groups[place].size for place in taken)
        if gap == 0 or (large + 1) * (target + 1) > _LARGEST_TABLE:
            return taken
        return _exactly(groups, self.places, target)


def _classes(
    groups: Sequence[Group], by_rank: Sequence[int], wanted: Mapping[str, int]
) -> dict[str, _Class]:
    totals: dict[str, int] = defaultdict(int)
    alone: dict[str, list[int]] = defaultdict(list)
    for place in by_rank:
        counts = groups[place].counts
        for label, count in counts.items():
            totals[label] += count
        if len(counts) == 1:
            alone[next(iter(counts))].append(place)
    return {
        label: _Class(
            number, totals[label], alone[label], _sums([groups[p].size for p in alone[label]])
        )
        for label, number in wanted.items()
    }


def _sums(sizes: Sequence[int]) -> int:
    sums = 1
    for size in sizes:
        if size > 1:
            sums |= sums << size
    return _widened(sums, sum(size == 1 for size in sizes))


def _widened(sums: int, ones: int) -> int:
    """Return the sums with up to `ones` more."""
    step = 1
    while ones > 0:
        step = min(step, ones)
        sums |= sums << step
        ones -= step
        step *= 2
    return sums


def _nearest(sums: int, aim: int, low: int, high: int) -> int | None:
    """Return the sum nearest to `aim` from `low` to `high`, the smaller of two."""
    if high < low:
        return None
    inside = sums >> low & ((1 << (high - low + 1)) - 1)
    at = min(max(aim, low), high) - low
    below = (inside & ((1 << (at + 1)) - 1)).bit_length() - 1
    over = inside >> at
    above = at + (over & -over).bit_length() - 1 if over else None
    found = [n + low for n in (below, above) if n is not None and n >= 0]
    return min(found, key=lambda n: (abs(n - aim), n), default=None)


def _by_rank(
    groups: Sequence[Group], several: Sequence[int], classes: Mapping[str, _Class]
) -> set[int]:
    total = sum(one.total for one in classes.values())
    share = sum(one.wanted for one in classes.values()) / max(1, total)
    chosen = set()
    for place in several:
        counts = groups[place].counts
        room = all(n <= classes[label].wanted - classes[label].held for label, n in counts.items())
        if room and groups[place].rank < share * _RANKS:
            chosen.add(place)
            _shift(classes, counts, 1)
    return chosen


def _shift(classes: Mapping[str, _Class], counts: Mapping[str, int], sign: int) -> None:
    for label, count in counts.items():
        classes[label].held += sign * count


def _mend(
    groups: Sequence[Group],
    several: Sequence[int],
    classes: Mapping[str, _Class],
    chosen: set[int],
) -> None:
    """Move groups of several classes to the other side as long as that brings shares nearer."""
    better = True
    while better:
        better = False
        for place in several:
            counts = groups[place].counts
            before = sum(classes[label].miss() for label in counts)
            if before == 0:
                continue
            sign = -1 if place in chosen else 1
            _shift(classes, counts, sign)
            if sum(classes[label].miss() for label in counts) < before:
                chosen ^= {place}
                better = True
            else:
                _shift(classes, counts, -sign)


def _first_fit(groups: Sequence[Group], places: Sequence[int], target: int) -> list[int]:
    taken, left = [], target
    for place in places:
        if groups[place].size <= left:
            taken.append(place)
            left -= groups[place].size
    return taken


def _exactly(groups: Sequence[Group], places: Sequence[int], target: int) -> list[int]:
    """Return groups of `target` pictures together, which there must be, low ranks first."""
    below = (1 << (target + 1)) - 1
    rest = [(1, 0)]  # what the last 0, 1, 2 … groups can come to, and how many are single pictures
    for place in reversed(places):
        sums, ones = rest[-1]
        size = groups[place].size
        rest.append((sums, ones + 1) if size == 1 else ((sums | sums << size) & below, ones))
    taken, left = [], target
    for place, (sums, ones) in zip(places, reversed(rest[:-1]), strict=True):
        size = groups[place].size
        if size <= left and _can_be(sums, ones, left - size):
            taken.append(place)
            left -= size
    return taken


def _can_be(sums: int, ones: int, number: int) -> bool:
    """Whether one of the sums and up to `ones` more come to a number."""
    least = max(0, number - ones)
    return bool(sums >> least & ((1 << (number - least + 1)) - 1))
