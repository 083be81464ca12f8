import random
from pathlib import Path

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.common.errors import DataError
from core.data.assign import SplitOptions, split_images
from core.data.scan import ImageFile
from core.data.split import DataPlan, plan_data
from tests.make_images import make_images

sizes = st.lists(st.integers(2, 60), min_size=1, max_size=5)
fractions = st.floats(0.01, 0.99)


def image(path: str, label: str, split: str = "") -> ImageFile:
    return ImageFile(path, label, split, sha256=f"{len(path):064x}", bytes=10, mtime_ns=1)


def listing(counts: list[int]) -> list[ImageFile]:
    return [
        image(f"{label}/{number:03d}.png", str(label))
        for label, count in enumerate(counts)
        for number in range(count)
    ]


def val_paths(images: list[ImageFile]) -> set[str]:
    return {p.path for p in images if p.split == "val"}


@settings(max_examples=60)
@given(counts=sizes, fraction=fractions, seed=st.integers(0, 2**63 - 1))
def test_every_class_has_its_fraction_in_each_split(
    counts: list[int], fraction: float, seed: int
) -> None:
    assigned = split_images(listing(counts), SplitOptions(fraction, seed))
    assert [p.path for p in assigned] == [p.path for p in listing(counts)]
    for label, count in enumerate(counts):
        held_out = sum(p.split == "val" for p in assigned if p.label == str(label))
        assert 1 <= held_out <= count - 1
        assert abs(held_out - fraction * count) <= 1
    assert {p.split for p in assigned} == {"train", "val"}


@settings(max_examples=30)
@given(counts=sizes, fraction=fractions, shuffle=st.randoms(use_true_random=False))
def test_split_does_not_depend_on_the_listing_order(
    counts: list[int], fraction: float, shuffle: random.Random
) -> None:
    images = listing(counts)
    expected = split_images(images, SplitOptions(fraction, seed=1029))
    shuffle.shuffle(images)
    assert split_images(images, SplitOptions(fraction, seed=1029)) == expected


def test_split_is_identical_on_any_machine() -> None:
    # A change here changes the split of all existing runs, so it must be intentional.
    assert val_paths(split_images(listing([6, 5]), SplitOptions(0.3, seed=1029))) == {
        "0/001.png",
        "0/004.png",
        "1/001.png",
        "1/004.png",
    }


def test_different_seeds_give_different_splits() -> None:
    splits = {
        frozenset(val_paths(split_images(listing([40, 40]), SplitOptions(0.2, seed))))
        for seed in range(5)
    }
    assert len(splits) == 5


def test_additional_image_moves_few_others() -> None:
    before = val_paths(split_images(listing([50]), SplitOptions(0.2, seed=3)))
    after = val_paths(
        split_images([*listing([50]), image("0/new.png", "0")], SplitOptions(0.2, seed=3))
    )
    assert len(before - after) <= 1


@pytest.mark.parametrize("label", ["lonely", "two\nlines[red]", "caf\udce9"])
def test_class_too_small_to_split_is_refused(label: str) -> None:
    with pytest.raises(DataError, match="at least 2") as caught:
        split_images([*listing([3]), image(f"{label}/a.png", label)], SplitOptions(0.2, seed=1))
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).isprintable()


def test_plan_is_reproducible(tmp_path: Path) -> None:
    root = make_images(tmp_path, classes=3, per_class=5)
    first, second = plan_data(root, SplitOptions(0.2, 1)), plan_data(root, SplitOptions(0.2, 1))
    assert first is not None
    assert first == second
    assert first.classes == ["class_0", "class_1", "class_2"]
    assert first.per_class("train") == dict.fromkeys(first.classes, 4)
    assert first.per_class("val") == dict.fromkeys(first.classes, 1)


def test_fingerprint_changes_with_content_and_split(tmp_path: Path) -> None:
    root = make_images(tmp_path, classes=2, per_class=8)

    def fingerprint(seed: int = 1) -> str:
        plan = plan_data(root, SplitOptions(0.25, seed))
        assert plan is not None
        return plan.fingerprint

    original = fingerprint()
    assert fingerprint() == original
    assert fingerprint(seed=2) != original
    file = root / "class_0" / "000.png"
    file.write_bytes((root / "class_1" / "000.png").read_bytes())
    assert fingerprint() != original


def test_train_and_val_folders_are_not_split_again(tmp_path: Path) -> None:
    make_images(tmp_path / "train", classes=2, per_class=3)
    make_images(tmp_path / "valid", classes=2, per_class=1)
    plan = plan_data(tmp_path, SplitOptions(0.9, 1))
    assert plan is not None
    assert plan.per_class("train") == {"class_0": 3, "class_1": 3}
    assert {p.path.split("/")[0] for p in plan.val} == {"valid"}


def test_one_image_per_class_suffices_with_split_folders(tmp_path: Path) -> None:
    make_images(tmp_path / "train", classes=2, per_class=1)
    make_images(tmp_path / "val", classes=2, per_class=1)
    assert plan_data(tmp_path, SplitOptions(0.2, 1)) is not None


ODD_NAMES = [
    "plain/a.png",
    'comma, and "quotes"/it\'s.png',
    "two\nlines/b\r\nc.png",
    "carriage\rreturn/d\r.png",
    "caf\udce9/\udcff.png",
    "[red]#not a comment/ spaces .png",
    "NA/nan.png",
    "12/007.png",
    "=cmd()/é\u2028🦓.png",
]


def test_pandas_reads_split_csv_with_any_file_name(tmp_path: Path) -> None:
    images = [image(path, path.split("/")[0], "train") for path in ODD_NAMES]
    plan = DataPlan(
        root=tmp_path,
        classes=sorted({p.label for p in images}),
        train=images,
        val=[image("plain/z.png", "plain", "val")],
        damaged=[],
    )
    plan.write_csv(tmp_path / "split.csv")
    table = pandas.read_csv(
        tmp_path / "split.csv",
        encoding_errors="surrogateescape",
        keep_default_na=False,
        dtype={"class": str},
    )
    columns = ["path", "class", "split", "sha256", "bytes", "mtime_ns"]
    assert list(table.columns) == columns
    assert table["path"].tolist() == [*ODD_NAMES, "plain/z.png"]
    assert table["class"].tolist() == [p.label for p in [*plan.train, *plan.val]]
    assert table["split"].tolist() == ["train"] * len(ODD_NAMES) + ["val"]
    assert table["sha256"].tolist() == [p.sha256 for p in [*plan.train, *plan.val]]
    assert table["bytes"].tolist() == [10] * (len(ODD_NAMES) + 1)


def test_pandas_reads_split_csv_of_ordinary_names_without_options(tmp_path: Path) -> None:
    plan = plan_data(
        make_images(tmp_path / "photos", classes=2, per_class=4), SplitOptions(0.25, 1)
    )
    assert plan is not None
    plan.write_csv(tmp_path / "split.csv")
    table = pandas.read_csv(tmp_path / "split.csv")
    assert table.groupby(["class", "split"]).size().to_dict() == {
        ("class_0", "train"): 3,
        ("class_0", "val"): 1,
        ("class_1", "train"): 3,
        ("class_1", "val"): 1,
    }


def test_a_group_expression_that_matches_nothing_is_refused(tmp_path: Path) -> None:
    root = make_images(tmp_path / "photos", classes=2, per_class=4)
    with pytest.raises(DataError, match=r"data.group=patient.+ matches none of the 8 paths"):
        plan_data(root, SplitOptions(0.25, 0, group=r"patient\d+"), use_cache=False)
