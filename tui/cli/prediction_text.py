"""Print predictions as lines of text."""

from typing import TYPE_CHECKING

from core.common.text import printable

if TYPE_CHECKING:
    from core.inference.prediction_rows import PredictionRow


def prediction_line(row: "PredictionRow") -> str:
    """Return a prediction as one line: the image and its most probable classes, or the error."""
    if row.error:
        return f"{printable(row.path)}: can't be read: {printable(row.error)}"
    ranked = ", ".join(f"{printable(name)} {share:.1%}" for name, share in row.ranked)
    return f"{printable(row.path)}: {ranked}"
