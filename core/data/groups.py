"""Which pictures must stay on one side: what shows the same, and what belongs together."""

import re
from collections.abc import Iterable, Sequence

from core.data.duplicates import DisjointSets
from core.data.scan import ImageFile


def together(
    pictures: Sequence[ImageFile], same: Iterable[Sequence[ImageFile]], pattern: str | None
) -> list[list[ImageFile]]:
    """Return all pictures in groups, most of them alone, in the order of their first paths.

    `same` are groups of pictures that show the same. Two pictures in whose paths the regular
    expression `pattern` finds the same text (that of its groups where it has some) are one group
    too; a path in which it finds nothing belongs to no other.
    """
    ranked = sorted(pictures, key=lambda p: p.path)
    place = {picture.path: number for number, picture in enumerate(ranked)}
    groups = DisjointSets(len(ranked))
    for members in same:
        for member in members[1:]:
            groups.join(place[members[0].path], place[member.path])
    if pattern is not None:
        first: dict[tuple[str | None, ...], int] = {}
        for picture in ranked:
            found = re.search(pattern, picture.path)
            if found:
                name = found.groups() or (found.group(),)
                groups.join(place[picture.path], first.setdefault(name, place[picture.path]))
    return [[ranked[number] for number in members] for members in groups.members()]
