"""Splits that tear no group apart: copies, near copies and groups by name."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.common.errors import DataError
from core.data.holdout import Group, hold_out
from core.data.scan import ImageFile
from core.data.split import SplitOptions, grouped_images, held_out_count, split_images

PATTERN = r"(patient\d+)_"


@st.composite
def folders(draw: st.DrawFn) -> tuple[list[ImageFile], list[list[ImageFile]]]:
    """Pictures of some classes, most alone, with copies planted (across classes too) and groups
    by name; returns what shows the same."""
    # By a seed: hypothesis itself would make one patient of all, of whom no share can be held out.
    random_ = random.Random(draw(st.integers(0, 2**40)))
    pictures = []
    for label in range(draw(st.integers(2, 5))):
        for number in range(draw(st.integers(12, 60))):
            patient = f"patient{random_.randrange(400)}_" if random_.random() < 0.3 else ""
            path = f"{label}/{patient}{number:03d}.png"
            pictures.append(ImageFile(path, str(label), "", path, 1, 1))
    planted = range(draw(st.integers(0, 8)))
    return pictures, [random_.sample(pictures, random_.choice((2, 2, 2, 3))) for _ in planted]


@settings(max_examples=200)
@given(folders(), st.floats(0.05, 0.5), st.sampled_from([0.0, 0.1, 0.2]), st.integers(0, 2**40))
def test_no_group_is_torn_and_shares_are_kept(
    folder: tuple[list[ImageFile], list[list[ImageFile]]], val: float, test: float, seed: int
) -> None:
    pictures, same = folder
    groups = grouped_images(pictures, same, PATTERN)
    assert sorted(p.path for group in groups for p in group) == sorted(p.path for p in pictures)
    sided = split_images(pictures, SplitOptions(val, seed, test), groups)
    side = {p.path: p.split for p in sided}
    for members in [*same, *groups]:
        assert len({side[p.path] for p in members}) == 1
    by_name: dict[str, set[str]] = {}
    for path, part in side.items():
        if "patient" in path:
            by_name.setdefault(path.split("/")[1].split("_")[0], set()).add(part)
    assert all(len(parts) == 1 for parts in by_name.values())
    counts = Counter((p.label, p.split) for p in sided)
    for label, count in Counter(p.label for p in pictures).items():
        assert abs(counts[label, "val"] - held_out_count(count, val)) <= 1
        assert abs(counts[label, "test"] - (held_out_count(count, test) if test else 0)) <= 1
        assert counts[label, "train"] >= 1
    shuffled = list(pictures)
    random.Random(seed).shuffle(shuffled)
    again = grouped_images(shuffled, [list(reversed(group)) for group in reversed(same)], PATTERN)
    assert split_images(shuffled, SplitOptions(val, seed, test), again) == sided


@given(st.lists(st.integers(1, 9), min_size=2, max_size=14), st.data())
def test_a_class_comes_as_near_as_its_groups_allow(sizes: list[int], data: st.DataObject) -> None:
    total = sum(sizes)
    wanted = data.draw(st.integers(1, total - 1))
    groups = [Group(rank * 2**50, {"a": size}) for rank, size in enumerate(sizes)]
    chosen = hold_out(groups, {"a": wanted})
    sums = {0}
    for size in sizes:
        sums |= {size + other for other in sums}
    best = min(abs(sum_ - wanted) for sum_ in sums - {0, total})
    assert abs(sum(sizes[place] for place in chosen) - wanted) == best


def test_low_ranks_are_held_out_first() -> None:
    groups = [Group(rank, {"a": 1}) for rank in (5, 1, 4, 2, 3)]
    assert hold_out(groups, {"a": 2}) == {1, 3}


def test_large_groups_of_many_classes_still_leave_something_everywhere() -> None:
    labels = [str(n) for n in range(6)]
    groups = [Group((n + 1) * 2**59, dict.fromkeys(labels, 3)) for n in range(10)]
    chosen = hold_out(groups, dict.fromkeys(labels, 6))
    assert len(chosen) == 2


@pytest.mark.parametrize(("test", "least"), [(0.0, 2), (0.1, 3)])
def test_a_class_smaller_than_its_sides_is_named(test: float, least: int) -> None:
    pictures = [ImageFile(f"a/{n}", "a", "", str(n), 1, 1) for n in range(least - 1)]
    with pytest.raises(DataError, match=f"needs at least {least} to be split into train"):
        split_images(pictures, SplitOptions(0.2, 1, test))
    more = [*pictures, ImageFile("a/z", "a", "", "z", 1, 1)]
    assert len({p.split for p in split_images(more, SplitOptions(0.2, 1, test))}) == least
