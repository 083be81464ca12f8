"""Depths: images of more than 8 bits, and odd names and layouts of `tests.odd_images`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.folders.case import CASES, TWO_CLASSES, Case, Given, case
from tests.odd_images import ENCODERS, ODD_IMAGES, make_depths, make_odd_layout, make_odd_names


def _of_depth(kind: str) -> Callable[[Path], Given]:
    return partial(_make_depth, kind=kind)


def _make_depth(root: Path, kind: str) -> Given:
    return Given(str(make_depths(root / "photos", kind)))


CASES += [Case(f"depth {kind}", _of_depth(kind), TWO_CLASSES, 12) for kind in ENCODERS]


@case(12)
def _a_forced_value_range(root: Path) -> Given:
    return Given(str(make_depths(root / "photos", "12-bit")), ("data.value_range=[0, 4095]",))


@case(8 + len(ODD_IMAGES))
def _images_by_other_names(root: Path) -> Given:
    return Given(str(make_odd_names(root / "photos")))


@case(10)
def _images_outside_the_classes(root: Path) -> Given:
    return Given(str(make_odd_layout(root / "photos")))
