"""Folds: each image is validated exactly once, classes are even, groups are not divided."""

import random
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.common.errors import DataError
from core.data.assign import SplitOptions
from core.data.folds import assign_folds
from core.data.grouping import split_grouped
from core.data.holdout import Group
from core.data.scan import ImageFile
from core.data.split import plan_data
from tests.make_images import make_images

SEEDS = st.integers(0, 2**63 - 1)


def image(path: str, label: str) -> ImageFile:
    return ImageFile(path, label, "", sha256=path, bytes=10, mtime_ns=1)


def listing(counts: list[int]) -> list[ImageFile]:
    return [
        image(f"{label}/{number:03d}.png", str(label))
        for label, count in enumerate(counts)
        for number in range(count)
    ]


def options(seed: int, folds: int, fold: int = 0, **more: object) -> SplitOptions:
    return SplitOptions(0.2, seed, folds=folds, fold=fold, **more)  # type: ignore[arg-type]


def all_folds(
    images: list[ImageFile],
    seed: int,
    folds: int,
    clusters: list[list[ImageFile]] | None = None,
    **more: object,
) -> list[list[ImageFile]]:
    """The images with their splits, fold by fold."""
    return [
        split_grouped(images, clusters or [], options(seed, folds, fold, **more))
        for fold in range(folds)
    ]


def fold_of(splits: list[list[ImageFile]]) -> dict[str, int]:
    """The fold in which each image is val; fails if it is not exactly one."""
    found: dict[str, list[int]] = defaultdict(list)
    for fold, images in enumerate(splits):
        for one in images:
            found[one.path] += [fold] if one.split == "val" else []
    assert all(len(folds) == 1 for folds in found.values())
    return {path: folds[0] for path, folds in found.items()}


@settings(max_examples=60)
@given(st.data(), st.integers(2, 7), SEEDS)
def test_each_image_is_val_once_and_classes_and_folds_are_even(
    data: st.DataObject, folds: int, seed: int
) -> None:
    counts = data.draw(st.lists(st.integers(folds, 60), min_size=1, max_size=6))
    assigned = fold_of(all_folds(listing(counts), seed, folds))
    assert len(assigned) == sum(counts)
    by_class = Counter((path.split("/")[0], fold) for path, fold in assigned.items())
    for label in range(len(counts)):
        numbers = [by_class[str(label), fold] for fold in range(folds)]
        assert max(numbers) - min(numbers) <= 1
    totals = Counter(assigned.values())
    assert max(totals.values()) - min(totals.values()) <= 1


@settings(max_examples=40)
@given(SEEDS, st.integers(2, 5), st.randoms(use_true_random=False))
def test_folds_do_not_depend_on_the_listing_order(
    seed: int, folds: int, shuffle: random.Random
) -> None:
    images = listing([7, 12, 9])
    clusters = [images[:2], [images[3], images[9]]]
    expected = all_folds(images, seed, folds, clusters)
    shuffle.shuffle(images)
    shuffle.shuffle(clusters)
    assert all_folds(images, seed, folds, clusters) == expected


def test_different_seeds_give_different_folds() -> None:
    assert len({str(fold_of(all_folds(listing([20, 20]), seed, 4))) for seed in range(5)}) == 5


def test_folds_are_identical_on_any_machine() -> None:
    # A change here changes the folds of all existing studies, so it must be intentional.
    assert fold_of(all_folds(listing([4, 3]), 1029, 3)) == {
        "0/000.png": 1,
        "0/001.png": 0,
        "0/002.png": 0,
        "0/003.png": 2,
        "1/000.png": 1,
        "1/001.png": 0,
        "1/002.png": 2,
    }


group_sizes = st.lists(st.integers(1, 9), min_size=1, max_size=25)


@settings(max_examples=60)
@given(st.lists(group_sizes, min_size=1, max_size=4), st.integers(2, 5), SEEDS, st.randoms())
def test_groups_are_never_divided(
    sizes: list[list[int]], folds: int, seed: int, chance: random.Random
) -> None:
    images, number = [], 0
    for label, groups in enumerate(sizes):
        # Enough groups for each fold; some are shared with another class.
        for size in [*groups, *[1] * folds]:
            number += 1
            images += [image(f"{label}/g{number}_{n}.png", str(label)) for n in range(size)]
            if chance.random() < 0.2:
                other = str(chance.randrange(len(sizes)))
                images.append(image(f"{other}/g{number}_shared.png", other))
    assigned = fold_of(all_folds(images, seed, folds, group=r"/(g\d+)_"))
    by_group: dict[str, set[int]] = defaultdict(set)
    for path, fold in assigned.items():
        by_group[path.split("/")[1].split("_")[0]].add(fold)
    assert all(len(used) == 1 for used in by_group.values())
    for label in {one.label for one in images}:
        used = {assigned[one.path] for one in images if one.label == label}
        assert used == set(range(folds))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.sampled_from("ab"), st.integers(1, 5), min_size=1),
        min_size=3,
        max_size=6,
    ),
)
def test_few_groups_are_divided_nearly_as_evenly_as_possible(sizes: list[dict[str, int]]) -> None:
    groups = [Group(rank, counts) for rank, counts in enumerate(sizes)]

    def cost(folds: tuple[int, ...]) -> tuple[int, float]:
        empty, spread = 0, 0.0
        for label in "ab":
            per_fold = [0, 0, 0]
            for group, fold in zip(groups, folds, strict=True):
                per_fold[fold] += group.counts.get(label, 0)
            if sum(per_fold):
                empty += per_fold.count(0)
                spread += sum(n * n for n in per_fold) / sum(per_fold) ** 2
        return empty, spread

    best = min(map(cost, product(range(3), repeat=len(groups))))
    found = cost(tuple(assign_folds(groups, 3)))
    assert found[0] == best[0]
    assert found[1] <= 1.1 * best[1]


@settings(max_examples=40)
@given(st.integers(2, 5), SEEDS, st.sampled_from([0.1, 0.25, 0.5]))
def test_test_images_are_the_same_in_every_fold(folds: int, seed: int, fraction: float) -> None:
    images = listing([30, 17])
    splits = all_folds(images, seed, folds, test_fraction=fraction)
    held = [{one.path for one in split if one.split == "test"} for split in splits]
    assert all(paths == held[0] for paths in held)
    for label, count in (("0", 30), ("1", 17)):
        assert sum(path.startswith(label) for path in held[0]) == round(count * fraction)
    used = [{one.path for one in split if one.split == "val"} for split in splits]
    assert sum(map(len, used)) == len(images) - len(held[0])
    assert set().union(*used) == {one.path for one in images} - held[0]


def test_near_duplicates_stay_in_one_fold_unless_their_class_would_be_missing() -> None:
    images = listing([9, 9])
    apart = [images[0:6], images[9:18]]  # two thirds of class 0, all of class 1
    assigned = fold_of(all_folds(images, 1, 3, apart))
    assert len({assigned[one.path] for one in images[0:6]}) == 1
    assert len({assigned[one.path] for one in images[9:18]}) == 3
    divided = fold_of(all_folds(images, 1, 3, apart, near_duplicates="warn"))
    assert len({divided[one.path] for one in images[0:6]}) == 3


def test_copies_that_leave_a_fold_without_a_class_are_refused() -> None:
    images = [replace(one, sha256="same") if one.label == "1" else one for one in listing([6, 6])]
    with pytest.raises(DataError, match="class '1' has images for only 1 of 3 folds"):
        split_grouped(images, [], options(1, 3))


@pytest.mark.parametrize(("test_fraction", "least"), [(0.0, 3), (0.2, 4)])
def test_a_class_with_fewer_images_than_folds_is_refused(test_fraction: float, least: int) -> None:
    images = listing([6, least - 1])
    with pytest.raises(DataError, match=f"3 folds.* needs at least {least}") as caught:
        split_grouped(images, [], options(1, 3, test_fraction=test_fraction))
    assert len(str(caught.value).splitlines()) == 1


def test_folders_that_define_the_split_refuse_folds(tmp_path: Path) -> None:
    make_images(tmp_path / "train", classes=2, per_class=3)
    make_images(tmp_path / "val", classes=2, per_class=3)
    with pytest.raises(DataError, match=r"split by its folders; .*data\.folds don't apply"):
        plan_data(tmp_path, options(1, 3), use_cache=False)
