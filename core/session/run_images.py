"""Images of a new run with their splits."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from core.common.errors import DataError
from core.config.schema import Config
from core.data.assign import SplitOptions
from core.data.sources import parse_location
from core.data.split import DataPlan, Scan, plan_data, ranges_of
from core.data.verify_split import verify_split
from core.events.emitter import Emit
from core.events.types import Warned


def plan_images(
    config: Config,
    progress: Callable[[int, int], None],
    cancelled: Callable[[], bool],
    emit: Emit,
    scan: Scan,
) -> DataPlan | None:
    """Return the images with their splits: by the folders, by seed, or as in an earlier run.

    The arguments are as for `plan_data`. Returns None once `cancelled` is true; raises DataError.
    """
    data = config.data
    root = parse_location(data.root or "")
    if data.split is None:
        options = SplitOptions(
            data.val_fraction,
            data.seed_of_split(config.seed),
            data.test_fraction,
            data.group,
            data.near_duplicates,
            data.folds,
            data.fold,
        )
        return plan_data(
            root, options, progress, cancelled, uses_cache(config), data.value_range, scan
        )
    if data.test_fraction or data.group:
        raise DataError(
            "data.split already assigns every image to a split: leave data.test_fraction and "
            "data.group out"
        )
    checked = verify_split(
        root,
        Path(data.split),
        progress,
        cancelled,
        uses_cache(config),
        data.near_duplicates == "group",
        read_all=True,
    )
    if checked is None:
        return None
    plan, differences = checked
    plan = replace(plan, value_ranges=ranges_of(plan.all, data.value_range))
    if differences:
        message = f"the images differ from those of data.split: {differences}"
        emit(Warned(code="data", message=message))
    return plan


def uses_cache(config: Config) -> bool:
    """Return whether anything may be stored in the user's cache folder."""
    return config.cache.max_gb > 0
