"""The metrics of an evaluation, in the order in which they are shown."""

from collections.abc import Mapping
from typing import NamedTuple

from core.common import format as fmt


class MetricName(NamedTuple):
    """A metric in words."""

    short: str
    """For the terminal."""
    long: str
    """For a report that is read without this program."""


METRIC_NAMES = {
    "top1": MetricName("top-1", "top-1 accuracy"),
    "top5": MetricName("top-5", "top-5 accuracy"),
    "macro_f1": MetricName("macro F1", "macro F1"),
    "ece": MetricName("calibration error (ECE)", "expected calibration error"),
    "loss": MetricName("loss", "loss"),
}


def training_images_note(count: int, total: int, others: Mapping[str, float] | None) -> str:
    """Return a sentence about `count` of `total` evaluated images that the run was trained on.

    Empty if there are none. `others` are the metrics of the remaining images.
    """
    if not count:
        return ""
    if others is None:
        return (
            "the run was trained on these images: the metrics don't tell how it does on new ones"
            if count == total
            else f"the run was trained on {fmt.count(count)} of these images"
        )
    return (
        f"the run was trained on {fmt.count(count)} of these images; on the other "
        f"{fmt.count(total - count)}: top-1 {others['top1']:.4f}, top-5 {others['top5']:.4f}, "
        f"macro F1 {others['macro_f1']:.4f}, loss {others['loss']:.4f}"
    )
