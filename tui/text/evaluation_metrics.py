"""Name the metrics of an evaluation, in the order in which they are shown."""

METRIC_NAMES = {
    "top1": "top-1",
    "top5": "top-5",
    "macro_f1": "macro F1",
    "ece": "calibration error (ECE)",
    "loss": "loss",
}
