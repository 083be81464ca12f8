"""The images of a task: split once by this program, and laid out as train/ and val/ for all."""

import random
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from core.data.assign import SplitOptions
from core.data.scan import ImageFile
from core.data.split import DataPlan, Scan, plan_data
from core.demo.storage import make_demo_data
from tests.make_images import make_images

VAL_FRACTION = 0.2
DEMO = "demo"
"""Stands for a folder of demo images."""
DRAWN = "drawn"
"""Stands for a few images that are drawn in no time."""


def source_folder(data: str, work: Path) -> Path:
    """Return the folder of images; those of `demo` and `drawn` are written into `work`."""
    if data == DEMO:
        make_demo_data(work / DEMO)
        return work / DEMO
    if data == DRAWN:
        return make_images(work / DRAWN, classes=3, per_class=10, size=32)
    return Path(data).resolve()


def name_of(data: str) -> str:
    """Return the name of a folder in results."""
    return Path(data).resolve().name


def lay_out(root: Path, target: Path, seed: int, limit: int, scan: Scan) -> Path:
    """Link the readable images as target/{train,val}/<class>/, with `split.csv` beside them.

    A folder without train/ and val/ is split by seed as in training. With a `limit`, as many
    training images per class are drawn by seed; validation images are never reduced.
    """
    plan = plan_data(root, SplitOptions(VAL_FRACTION, seed), use_cache=False, scan=scan)
    assert plan is not None
    for split, images in (("train", _limited(plan, seed, limit)), ("val", plan.val)):
        for number, image in enumerate(images):
            link = target / split / image.label / f"{number:06d}{Path(image.path).suffix.lower()}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(root / image.path)
    plan.write_csv(target / "split.csv")
    return target


def _limited(plan: DataPlan, seed: int, limit: int) -> Iterable[ImageFile]:
    if not limit:
        return plan.train
    by_class: dict[str, list[ImageFile]] = defaultdict(list)
    for image in sorted(plan.train, key=lambda image: image.path):
        by_class[image.label].append(image)
    return [
        image
        for label, images in by_class.items()
        for image in random.Random(f"{seed} {label}").sample(images, min(limit, len(images)))
    ]
