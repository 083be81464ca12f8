"""Recipe by which a run reads images: steps from the file to the validation transform."""

from typing import TYPE_CHECKING

from core.data.image_cache import cached_short_side
from core.data.value_range import ValueRanges

if TYPE_CHECKING:
    from core.inference.trained_run import TrainedRun


def reduced_side(run: "TrainedRun") -> int:
    """Return the short side in pixels to which the run reduces images before its transform; 0 if it
    doesn't.

    With `data.decode_once` the run validated on reduced images: reading at full size would change
    the last digits of its own validation metrics.
    """
    data = run.config.data
    if not data.decode_once:
        return 0
    crop_pct = float(run.transform["crop_pct"])
    return cached_short_side(data.image_size, data.augment.min_scale, crop_pct)


def value_ranges(run: "TrainedRun") -> ValueRanges | None:
    """Return the value ranges that the run was trained with, as in `core.data.decode.read_rgb`."""
    ranges: ValueRanges | None = run.transform.get("value_ranges")
    return ranges
