"""Files that a comparison is exported to."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from core.analysis.compare import ComparedRun
from core.analysis.compare_export import curves_csv, table_csv
from core.common.files import write_text_atomically
from tui.charts.compare import CompareView, svg
from tui.charts.svg import draw_svg


def export(
    runs: Sequence[ComparedRun], view: CompareView, kind: str, folders: Sequence[Path], now: float
) -> Path:
    """Write `table` or `curves` as CSV or `chart` as SVG into the first writable folder.

    `now` is the Unix time in the file name. Returns the file's path. Raises OSError.
    """
    stem = f"compare-{time.strftime('%Y%m%d-%H%M%S', time.localtime(now))}"
    kinds: dict[str, Callable[[], tuple[str, str]]] = {
        "table": lambda: (f"{stem}-table.csv", table_csv(runs)),
        "curves": lambda: (f"{stem}-curves.csv", curves_csv(runs)),
        "chart": lambda: (f"{stem}-{view.curve.key}.svg", draw_svg(svg(runs, view))),
    }
    name, text = kinds[kind]()
    folder = next((f for f in folders if os.access(f, os.W_OK)), folders[0])
    path = _unused_path(folder, name)
    write_text_atomically(path, text)
    return path


def _unused_path(folder: Path, name: str) -> Path:
    stem, dot, end = name.rpartition(".")
    names = (name if n == 1 else f"{stem}-{n}{dot}{end}" for n in range(1, 1000))
    return next((p for p in (folder / n for n in names) if not p.exists()), folder / name)
