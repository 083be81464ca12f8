"""The metrics of an evaluation, in the order in which they are shown."""

from typing import NamedTuple


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
