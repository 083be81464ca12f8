"""Decide which images stay in one split: copies, matches of `data.group`, and near-duplicates where
the classes still get their shares."""

import re
from collections.abc import Iterable, Sequence

from core.common.errors import DataError
from core.common.format import counted
from core.common.text import printable, quoted
from core.data.assign import MissedShare, SplitOptions, missed_shares, split_images
from core.data.duplicates import DisjointSets, exact_duplicates
from core.data.folds import refuse_missing, split_into_folds
from core.data.scan import ImageFile

Groups = Sequence[Sequence[ImageFile]]


def split_grouped(
    images: list[ImageFile], clusters: Groups, options: SplitOptions
) -> list[ImageFile]:
    """Return the images, each with its split.

    Copies and matches of `data.group` are never divided. The clusters of near-duplicates are not,
    either, if `options.near_duplicates` is `group`, except where that makes a class miss its share:
    then the largest clusters of this class are divided. Folds divide them only where a class would
    be missing in a fold. Raises DataError as `split_images` and `split_into_folds` do.
    """
    copies = exact_duplicates(images)
    kept = clusters if options.near_duplicates == "group" else []
    if options.folds:
        return _split_into_folds(images, copies, kept, options)
    unavoidable: dict[tuple[str, str], int] | None = None
    while True:
        groups = grouped_images(images, [*copies, *kept], options.group)
        assigned = split_images(images, options, groups)
        missed = missed_shares(assigned, options) if kept else []
        if not missed:
            return assigned
        if unavoidable is None:
            alone = split_images(images, options, grouped_images(images, copies, options.group))
            unavoidable = {(one.label, one.split): one.gap for one in missed_shares(alone, options)}
        labels = {
            one.label for one in missed if one.gap > unavoidable.get((one.label, one.split), 0)
        }
        smaller = _without_largest(kept, labels)
        if len(smaller) == len(kept):
            return assigned
        kept = smaller


def _split_into_folds(
    images: list[ImageFile], copies: Groups, kept: Groups, options: SplitOptions
) -> list[ImageFile]:
    while True:
        groups = grouped_images(images, [*copies, *kept], options.group)
        assigned, missing = split_into_folds(images, groups, options)
        smaller = _without_largest(kept, set(missing))
        if not missing or len(smaller) == len(kept):
            refuse_missing(missing, options)
            return assigned
        kept = smaller


def grouped_images(
    images: Sequence[ImageFile], duplicates: Iterable[Sequence[ImageFile]], pattern: str | None
) -> list[list[ImageFile]]:
    """Return groups of images that must stay in one split, in the order of their first paths.

    A group joins duplicates, and images in whose paths the regular expression `pattern` has equal
    matches (equal capture groups if it has some). All other images are groups of one. Raises
    DataError if the expression matches no path.
    """
    ranked = sorted(images, key=lambda p: p.path)
    position = {image.path: number for number, image in enumerate(ranked)}
    groups = DisjointSets(len(ranked))
    for members in duplicates:
        for member in members[1:]:
            groups.join(position[members[0].path], position[member.path])
    if pattern is not None:
        for matching in _matches(ranked, pattern).values():
            for number in matching[1:]:
                groups.join(matching[0], number)
    return [[ranked[number] for number in members] for members in groups.members()]


def group_counts(images: Sequence[ImageFile], pattern: str) -> tuple[int, int]:
    """Return the number of groups by `data.group`, and of images that it doesn't match."""
    found = _matches(images, pattern)
    return len(found), len(images) - sum(map(len, found.values()))


def missed_text(missed: Sequence[MissedShare], options: SplitOptions) -> str:
    """Return one sentence on the classes that miss their shares in a split by `split_grouped`."""
    worst = max(missed, key=lambda one: one.gap)
    reason = "copies and groups by data.group" if options.group else "copies"
    labels = len({one.label for one in missed})
    return (
        f"{counted(labels, 'class', 'classes')} can't be divided as asked, because {reason} stay "
        f"in one split: {quoted(worst.label)} has {counted(worst.images, 'image')} for "
        f"{worst.split} instead of {worst.wanted:,}"
    )


def _matches(ranked: Sequence[ImageFile], pattern: str) -> dict[tuple[str | None, ...], list[int]]:
    """Return the positions of the matching images by match."""
    found: dict[tuple[str | None, ...], list[int]] = {}
    for number, image in enumerate(ranked):
        if match := re.search(pattern, image.path):
            found.setdefault(match.groups() or (match.group(),), []).append(number)
    if not found:
        raise DataError(
            f"data.group={printable(pattern)} matches none of the {len(ranked):,} paths, such "
            f"as {printable(ranked[0].path)}: remove or change it"
        )
    return found


def _without_largest(clusters: Groups, labels: set[str]) -> Groups:
    """Leave out the largest clusters with images of some classes, down to half the size of the
    largest, so that few rounds are enough."""
    touching = [c for c in clusters if any(image.label in labels for image in c)]
    limit = max((len(cluster) for cluster in touching), default=0) / 2
    dropped = {id(cluster) for cluster in touching if len(cluster) >= limit}
    return [cluster for cluster in clusters if id(cluster) not in dropped]
