"""Find exact duplicates by content hash and near-duplicates by perceptual hash."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from core.data.scan import ImageFile

MAX_PHASH_DISTANCE = 4
"""Hamming distance of the 64-bit perceptual hashes up to which two images may be duplicates."""
MAX_COLOR_DISTANCE = 8.0
"""Mean absolute difference of their color grids up to which they are, of 255."""
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


def near_duplicates(images: Sequence[ImageFile]) -> list[list[ImageFile]]:
    """Return groups of two or more images that look alike: copies, and images that were scaled,
    re-encoded or slightly retouched.

    Two images belong together if their perceptual hashes differ by at most MAX_PHASH_DISTANCE
    bits and their color grids by at most MAX_COLOR_DISTANCE; groups are the connected components.
    The order of `images` has no effect. Flipped, rotated or cropped copies are not found.
    """
    ranked = sorted(images, key=lambda p: p.path)
    groups = DisjointSets(len(ranked))
    first: dict[object, int] = {}
    for number, image in enumerate(ranked):
        groups.join(number, first.setdefault(image.sha256, number))
        if image.info is not None:
            features = image.info.phash, image.info.color_grid
            groups.join(number, first.setdefault(features, number))
    distinct = sorted({groups.find(number) for number in first.values()})
    for one, other in _near_pairs(ranked, distinct):
        groups.join(one, other)
    return [[ranked[number] for number in group] for group in groups.members() if len(group) > 1]


def split_leaks(
    images: Iterable[ImageFile], duplicates: Iterable[Sequence[ImageFile]]
) -> list[list[ImageFile]]:
    """Return the groups of near-duplicates that are in several splits or several classes.

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


def _near_pairs(images: Sequence[ImageFile], numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    infos = [(number, info) for number in numbers if (info := images[number].info) is not None]
    if len(infos) < 2:
        return
    index = np.array([number for number, _ in infos])
    hashes = np.array([info.phash for _, info in infos], dtype=np.uint64)
    colors = np.frombuffer(b"".join(info.color_grid for _, info in infos), dtype=np.uint8)
    colors = colors.reshape(len(infos), -1).astype(np.int16)
    for one, other in _near_hashes(hashes):
        near = np.abs(colors[one] - colors[other]).mean(axis=1) <= MAX_COLOR_DISTANCE
        yield from zip(index[one[near]].tolist(), index[other[near]].tolist(), strict=True)


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
