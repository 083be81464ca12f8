"""Stratified split that keeps groups together: duplicates, and groups by name."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.common.errors import DataError
from core.data.assign import SplitOptions, held_out_count, split_images
from core.data.grouping import grouped_images
from core.data.holdout import Group, hold_out
from core.data.scan import ImageFile

PATTERN = r"(patient\d+)_"


@st.composite
def folders(draw: st.DrawFn) -> tuple[list[ImageFile], list[list[ImageFile]]]:
    """Draw images of some classes, most of them single, with groups by name and random groups of
    duplicates, also across classes; return the images and the duplicates."""
    # From a seed: hypothesis itself would draw one patient for all images, which can't be split.
    random_ = random.Random(draw(st.integers(0, 2**40)))
    images = []
    for label in range(draw(st.integers(2, 5))):
        for number in range(draw(st.integers(12, 60))):
            patient = f"patient{random_.randrange(400)}_" if random_.random() < 0.3 else ""
            path = f"{label}/{patient}{number:03d}.png"
            images.append(ImageFile(path, str(label), "", path, 1, 1))
    duplicates = range(draw(st.integers(0, 8)))
    return images, [random_.sample(images, random_.choice((2, 2, 2, 3))) for _ in duplicates]


@settings(max_examples=200)
@given(folders(), st.floats(0.05, 0.5), st.sampled_from([0.0, 0.1, 0.2]), st.integers(0, 2**40))
def test_groups_stay_together_and_fractions_are_met(
    folder: tuple[list[ImageFile], list[list[ImageFile]]], val: float, test: float, seed: int
) -> None:
    images, duplicates = folder
    groups = grouped_images(images, duplicates, PATTERN)
    assert sorted(p.path for group in groups for p in group) == sorted(p.path for p in images)
    assigned = split_images(images, SplitOptions(val, seed, test), groups)
    split_of = {p.path: p.split for p in assigned}
    for members in [*duplicates, *groups]:
        assert len({split_of[p.path] for p in members}) == 1
    by_name: dict[str, set[str]] = {}
    for path, split in split_of.items():
        if "patient" in path:
            by_name.setdefault(path.split("/")[1].split("_")[0], set()).add(split)
    assert all(len(splits) == 1 for splits in by_name.values())
    counts = Counter((p.label, p.split) for p in assigned)
    for label, count in Counter(p.label for p in images).items():
        assert abs(counts[label, "val"] - held_out_count(count, val)) <= 1
        assert abs(counts[label, "test"] - (held_out_count(count, test) if test else 0)) <= 1
        assert counts[label, "train"] >= 1
    shuffled = list(images)
    random.Random(seed).shuffle(shuffled)
    again = grouped_images(
        shuffled, [list(reversed(group)) for group in reversed(duplicates)], PATTERN
    )
    assert split_images(shuffled, SplitOptions(val, seed, test), again) == assigned


@given(st.lists(st.integers(1, 9), min_size=2, max_size=14), st.data())
def test_class_share_is_as_close_as_groups_allow(sizes: list[int], data: st.DataObject) -> None:
    total = sum(sizes)
    wanted = data.draw(st.integers(1, total - 1))
    groups = [Group(rank * 2**50, {"a": size}) for rank, size in enumerate(sizes)]
    chosen = hold_out(groups, {"a": wanted})
    sums = {0}
    for size in sizes:
        sums |= {size + other for other in sums}
    best = min(abs(sum_ - wanted) for sum_ in sums - {0, total})
    assert abs(sum(sizes[index] for index in chosen) - wanted) == best


def test_low_ranks_are_held_out_first() -> None:
    groups = [Group(rank, {"a": 1}) for rank in (5, 1, 4, 2, 3)]
    assert hold_out(groups, {"a": 2}) == {1, 3}


def test_large_mixed_groups_leave_images_on_both_sides() -> None:
    labels = [str(n) for n in range(6)]
    groups = [Group((n + 1) * 2**59, dict.fromkeys(labels, 3)) for n in range(10)]
    chosen = hold_out(groups, dict.fromkeys(labels, 6))
    assert len(chosen) == 2


@pytest.mark.parametrize(("test", "least"), [(0.0, 2), (0.1, 3)])
def test_class_with_fewer_images_than_splits_is_refused(test: float, least: int) -> None:
    images = [ImageFile(f"a/{n}", "a", "", str(n), 1, 1) for n in range(least - 1)]
    with pytest.raises(DataError, match=f"a split into train.* needs at least {least}"):
        split_images(images, SplitOptions(0.2, 1, test))
    more = [*images, ImageFile("a/z", "a", "", "z", 1, 1)]
    assert len({p.split for p in split_images(more, SplitOptions(0.2, 1, test))}) == least


@st.composite
def mixed_groups(draw: st.DrawFn) -> tuple[list[Group], dict[str, int]]:
    """A few groups, most of several classes, and the number of images to hold out by class."""
    labels = ["a", "b", "c"][: draw(st.integers(2, 3))]
    groups = [
        Group(
            draw(st.integers(0, 2**63 - 1)),
            {
                label: draw(st.integers(1, 8))
                for label in draw(st.sets(st.sampled_from(labels), min_size=1))
            },
        )
        for _ in range(draw(st.integers(3, 7)))
    ]
    totals = Counter[str]()
    for group in groups:
        totals.update(group.counts)
    fraction = draw(st.sampled_from([0.1, 0.2, 0.3, 0.5]))
    return groups, {label: held_out_count(number, fraction) for label, number in totals.items()}


@settings(max_examples=40, deadline=None)
@given(mixed_groups())
def test_groups_of_several_classes_are_chosen_as_well_as_possible(
    case: tuple[list[Group], dict[str, int]],
) -> None:
    groups, wanted = case

    def error(chosen: set[int]) -> int:
        held, totals = Counter[str](), Counter[str]()
        for index, group in enumerate(groups):
            totals.update(group.counts)
            held.update(group.counts if index in chosen else {})
        return sum(
            abs(held[label] - number)
            + (totals[label] if totals[label] > 1 and held[label] in (0, totals[label]) else 0)
            for label, number in wanted.items()
        )

    every = range(len(groups))
    best = min(error({n for n in every if chosen >> n & 1}) for chosen in range(2 ** len(groups)))
    assert error(hold_out(groups, wanted)) == best


def test_a_split_is_found_where_test_first_leaves_nothing_for_val() -> None:
    # 3 images and 1 and 1: the group of 3 must be train.
    sizes = {"x": 3, "y": 1, "z": 1}
    for seed in range(20):
        images = [
            ImageFile(f"a/{name}{number}", "a", "", f"{name}{number}", 1, 1)
            for name, size in sizes.items()
            for number in range(size)
        ]
        groups = grouped_images(images, [], r"([xyz])\d")
        assigned = split_images(images, SplitOptions(0.4, seed, 0.4), groups)
        assert {p.split for p in assigned} == {"train", "val", "test"}
