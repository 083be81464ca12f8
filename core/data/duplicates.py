"""Find exact duplicates by content hash and near-duplicates by perceptual hash."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from core.data.inspect import COLOR_GRID_SIDE
from core.data.scan import ImageFile

MAX_PHASH_DISTANCE = 4
"""Hamming distance of the 64-bit perceptual hashes up to which two images may be duplicates."""
MAX_COLOR_DISTANCE = 8.0
"""Mean absolute difference of their color grids up to which they are, of 255."""
_COLOR_VALUES = COLOR_GRID_SIDE**2 * 3
_HASH_BITS = 64
_BANDS = MAX_PHASH_DISTANCE + 1
_MAX_NEIGHBORS = 512
"""Neighbors in sorted order that each hash is compared with."""


def exact_duplicates(images: Iterable[ImageFile]) -> list[list[ImageFile]]:
    """Return groups of two or more images whose files have equal bytes."""
    by_content: dict[str, list[ImageFile]] = defaultdict(list)
    for image in images:
        by_content[image.sha256].append(image)
    return [group for group in by_content.values() if len(group) > 1]


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """Images that look alike: copies, and images that were scaled, re-encoded or retouched."""

    chains: list[list[ImageFile]]
    """Groups of two or more images, each of which looks like at least one other of its group."""
    clusters: list[list[ImageFile]]
    """The chains in parts of two or more images that all look like one image of the part: frames of
    a video, or a hundred parts before one camera, chain together without all looking alike."""


def near_duplicates(images: Sequence[ImageFile]) -> NearDuplicates:
    """Find images that look alike.

    Two images look alike if their perceptual hashes differ by at most MAX_PHASH_DISTANCE bits and
    their color grids by at most MAX_COLOR_DISTANCE. The order of `images` has no effect. Flipped,
    rotated or cropped copies are not found.
    """
    ranked = sorted(images, key=lambda p: p.path)
    looks = _Looks(ranked)
    components = DisjointSets(len(looks.numbers))
    neighbors = np.zeros(len(looks.numbers), dtype=np.int64)
    for one, other in looks.near_pairs():
        np.add.at(neighbors, one, 1)
        np.add.at(neighbors, other, 1)
        for pair in zip(one.tolist(), other.tolist(), strict=True):
            components.join(*pair)
    chains = components.members()
    clusters = [part for chain in chains for part in looks.clusters(chain, neighbors)]
    return NearDuplicates(looks.images_of(chains), looks.images_of(clusters))


def split_leaks(
    images: Iterable[ImageFile], duplicates: Iterable[Sequence[ImageFile]]
) -> list[list[ImageFile]]:
    """Return the groups of duplicates that are in several splits or several classes.

    The splits are those of `images`; the groups may be from before the split.
    """
    known = {image.path: image for image in images}
    groups = [[known[p.path] for p in group if p.path in known] for group in duplicates]
    return [group for group in groups if len({(p.split, p.label) for p in group}) > 1]


class DisjointSets:
    """Connected components of numbered items (union-find)."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def join(self, one: int, other: int) -> None:
        """Merge the groups of two items."""
        low, high = sorted((self.find(one), self.find(other)))
        self._parent[high] = low

    def find(self, item: int) -> int:
        """Return the lowest item of an item's group."""
        while self._parent[item] != item:
            self._parent[item] = self._parent[self._parent[item]]
            item = self._parent[item]
        return item

    def members(self) -> list[list[int]]:
        """Return all groups with their items, in order."""
        found: dict[int, list[int]] = defaultdict(list)
        for item in range(len(self._parent)):
            found[self.find(item)].append(item)
        return list(found.values())


class _Looks:
    """Perceptual hash and color grid of images; images with equal ones are one look."""

    def __init__(self, ranked: Sequence[ImageFile]) -> None:
        self._ranked = ranked
        by_look: dict[object, list[int]] = defaultdict(list)
        for number, image in enumerate(ranked):
            info = image.info
            by_look[(info.phash, info.color_grid) if info else image.sha256].append(number)
        self.numbers = list(by_look.values())
        """By look, the images that have it."""
        infos = [ranked[numbers[0]].info for numbers in self.numbers]
        self._known = np.array([n for n, info in enumerate(infos) if info], dtype=np.intp)
        self._hashes = np.zeros(len(infos), dtype=np.uint64)
        self._colors = np.zeros((len(infos), _COLOR_VALUES), dtype=np.int16)
        for number in self._known.tolist():
            self._hashes[number] = infos[number].phash
            self._colors[number] = np.frombuffer(infos[number].color_grid, dtype=np.uint8)

    def near_pairs(self) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield the pairs of looks that are near-duplicates, in batches; some more than once."""
        for first, second in _near_hashes(self._hashes[self._known]):
            one, other = self._known[first], self._known[second]
            near = self._colors_match(one, other)
            yield one[near], other[near]

    def clusters(self, chain: list[int], neighbors: NDArray[np.int64]) -> Iterator[list[int]]:
        """Divide a chain: the look with most neighbors and all that are near it, and so on."""
        left = np.array(chain, dtype=np.intp)
        left = left[np.lexsort((left, -neighbors[left]))]
        while len(left):
            near = _bit_count(self._hashes[left] ^ self._hashes[left[0]]) <= MAX_PHASH_DISTANCE
            near[near] = self._colors_match(left[near], left[:1])
            near[0] = True
            yield left[near].tolist()
            left = left[~near]

    def images_of(self, groups: Iterable[list[int]]) -> list[list[ImageFile]]:
        """Return the groups of two or more images, as images in the order of their paths."""
        members = (sorted(n for look in group for n in self.numbers[look]) for group in groups)
        return [[self._ranked[n] for n in group] for group in sorted(members) if len(group) > 1]

    def _colors_match(self, one: NDArray[np.intp], other: NDArray[np.intp]) -> NDArray[np.bool_]:
        apart = np.abs(self._colors[one] - self._colors[other]).mean(axis=1)
        return np.asarray(apart <= MAX_COLOR_DISTANCE)


def _near_hashes(
    hashes: NDArray[np.uint64],
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield the indices of all pairs within MAX_PHASH_DISTANCE, in batches.

    Of MAX_PHASH_DISTANCE + 1 bands of bits, such a pair has at least one in common: sorted by that
    band, the two are close together.
    """
    edges = np.linspace(0, _HASH_BITS, _BANDS + 1).astype(int)
    for low, high in pairwise(edges):
        band = (hashes >> np.uint64(low)) & np.uint64((1 << int(high - low)) - 1)
        order = np.lexsort((hashes, band))
        bands, sorted_hashes = band[order], hashes[order]
        # Thousands with an equal band are blank pages, for example: near neighbors are enough.
        for apart in range(1, min(len(order), _MAX_NEIGHBORS)):
            same = np.flatnonzero(bands[:-apart] == bands[apart:])
            if not len(same):
                break
            bits = _bit_count(sorted_hashes[same] ^ sorted_hashes[same + apart])
            found = same[bits <= MAX_PHASH_DISTANCE]
            yield order[found], order[found + apart]


def _bit_count(values: NDArray[np.uint64]) -> NDArray[np.intp]:
    # numpy has bitwise_count from version 2.0.
    bits = np.unpackbits(values.view(np.uint8).reshape(-1, 8), axis=1)
    return np.asarray(bits.sum(axis=1, dtype=np.intp))
