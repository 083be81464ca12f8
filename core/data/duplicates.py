"""Which pictures are the same one, or nearly: by their bytes, or by what is seen on them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from core.data.scan import ImageFile

MAX_PHASH_DISTANCE = 4
"""Bits of the perceptual hash by which two pictures of the same may differ, of 64."""
MAX_COLOR_DISTANCE = 8.0
"""Mean difference of their tones, of 255."""
_BITS = 64
_BANDS = MAX_PHASH_DISTANCE + 1
_MOST_COMPARED = 512


def exact_duplicates(pictures: Iterable[ImageFile]) -> list[list[ImageFile]]:
    """Return the pictures whose files hold the same bytes, in groups of two or more."""
    by_content: dict[str, list[ImageFile]] = defaultdict(list)
    for picture in pictures:
        by_content[picture.sha256].append(picture)
    return [group for group in by_content.values() if len(group) > 1]


def near_duplicates(pictures: Sequence[ImageFile]) -> list[list[ImageFile]]:
    """Return the pictures that show the same, in groups of two or more: copies, and pictures that
    were scaled, encoded anew or touched up a little.

    Two belong together when their perceptual hashes differ by at most MAX_PHASH_DISTANCE and their tones
    by at most MAX_COLOR_DISTANCE; groups are what hangs together that way. The order of `pictures` counts
    for nothing. Mirrored, turned or cropped copies are not found.
    """
    ranked = sorted(pictures, key=lambda p: p.path)
    groups = DisjointSets(len(ranked))
    first: dict[object, int] = {}
    for place, picture in enumerate(ranked):
        groups.join(place, first.setdefault(picture.sha256, place))
        if picture.look is not None:
            seen = picture.look.shape, picture.look.tone
            groups.join(place, first.setdefault(seen, place))
    for one, other in _near_pairs(ranked, sorted({groups.of(place) for place in first.values()})):
        groups.join(one, other)
    return [[ranked[place] for place in group] for group in groups.members() if len(group) > 1]


def leaks(
    pictures: Iterable[ImageFile], same: Iterable[Sequence[ImageFile]]
) -> list[list[ImageFile]]:
    """Return the groups of `same` pictures that stand on several sides or in several classes, with
    their sides as they are in `pictures`."""
    known = {picture.path: picture for picture in pictures}
    groups = [[known[p.path] for p in group if p.path in known] for group in same]
    return [group for group in groups if len({(p.part, p.label) for p in group}) > 1]


class DisjointSets:
    """What hangs together, of things by number (a disjoint-set forest)."""

    def __init__(self, count: int) -> None:
        self._above = list(range(count))

    def join(self, one: int, other: int) -> None:
        """Let the groups of two things be one."""
        low, high = sorted((self.of(one), self.of(other)))
        self._above[high] = low

    def of(self, thing: int) -> int:
        """Return the number of a thing's group: that of its first member."""
        while self._above[thing] != thing:
            self._above[thing] = self._above[self._above[thing]]
            thing = self._above[thing]
        return thing

    def members(self) -> list[list[int]]:
        """Return all groups with their members, in order."""
        found: dict[int, list[int]] = defaultdict(list)
        for thing in range(len(self._above)):
            found[self.of(thing)].append(thing)
        return list(found.values())


def _near_pairs(pictures: Sequence[ImageFile], places: Sequence[int]) -> Iterator[tuple[int, int]]:
    looked = [(place, look) for place in places if (look := pictures[place].look) is not None]
    if len(looked) < 2:
        return
    numbers = np.array([place for place, _ in looked])
    shapes = np.array([look.shape for _, look in looked], dtype=np.uint64)
    tones = np.frombuffer(b"".join(look.tone for _, look in looked), dtype=np.uint8)
    tones = tones.reshape(len(looked), -1).astype(np.int16)
    for one, other in _near_shapes(shapes):
        near = np.abs(tones[one] - tones[other]).mean(axis=1) <= MAX_COLOR_DISTANCE
        yield from zip(numbers[one[near]].tolist(), numbers[other[near]].tolist(), strict=True)


def _near_shapes(
    shapes: NDArray[np.uint64],
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield the places of all pairs with at most MAX_PHASH_DISTANCE different bits, many at a time.

    Such a pair has one of MAX_PHASH_DISTANCE + 1 bands of bits in common: sorted by a band, it stands close
    together.
    """
    edges = np.linspace(0, _BITS, _BANDS + 1).astype(int)
    for low, high in pairwise(edges):
        band = (shapes >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        order = np.lexsort((shapes, band))
        bands, sorted_shapes = band[order], shapes[order]
        # Thousands with the same band are blank pages, say: their neighbours are enough.
        for apart in range(1, min(len(order), _MOST_COMPARED)):
            same = np.flatnonzero(bands[:-apart] == bands[apart:])
            if not len(same):
                break
            bits = _bit_count(sorted_shapes[same] ^ sorted_shapes[same + apart])
            found = same[bits <= MAX_PHASH_DISTANCE]
            yield order[found], order[found + apart]


def _bit_count(values: NDArray[np.uint64]) -> NDArray[np.intp]:
    # numpy has bitwise_count from 2.0 on.
    bits = np.unpackbits(values.view(np.uint8).reshape(-1, 8), axis=1)
    return np.asarray(bits.sum(axis=1, dtype=np.intp))
