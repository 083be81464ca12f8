"""Files that a comparison is exported to."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from core.analysis.compare import ComparedRun
from core.analysis.compare_export import curves_csv, table_csv
from core.common.files import write_text_atomically
from core.study.run_groups import RunGroup
from core.study.run_groups_export import groups_csv
from tui.charts.compare import CompareView, svg
from tui.charts.group_compare import group_svg
from tui.charts.svg import draw_svg


def export(
    runs: Sequence[ComparedRun], view: CompareView, kind: str, folders: Sequence[Path], now: float
) -> Path:
    """Write `table` or `curves` as CSV or `chart` as SVG into the first writable folder.

    `now` is the Unix time in the file name. Returns the file's path. Raises OSError.
    """
    texts: dict[str, Callable[[], str]] = {
        "table": lambda: table_csv(runs),
        "curves": lambda: curves_csv(runs),
        "chart": lambda: draw_svg(svg(runs, view)),
    }
    return write_export("compare", kind, view, texts[kind](), folders, now)


def export_groups(
    groups: Sequence[RunGroup],
    view: CompareView,
    kind: str,
    folders: Sequence[Path],
    now: float,
    table: Callable[[], str] | None = None,
    stem: str = "compare",
) -> Path:
    """Write groups of runs as `export` does runs; `table` returns another table."""
    runs = [run for group in groups for run in group.runs]
    texts: dict[str, Callable[[], str]] = {
        "table": table or (lambda: groups_csv(groups)),
        "curves": lambda: curves_csv(runs),
        "chart": lambda: draw_svg(group_svg(groups, view)),
    }
    return write_export(stem, kind, view, texts[kind](), folders, now)


def write_export(
    stem: str, kind: str, view: CompareView, text: str, folders: Sequence[Path], now: float
) -> Path:
    """Write an export into the first writable folder; returns the file's path. Raises OSError."""
    end = f"{view.curve.key}.svg" if kind == "chart" else f"{kind}.csv"
    name = f"{stem}-{time.strftime('%Y%m%d-%H%M%S', time.localtime(now))}-{end}"
    folder = next((f for f in folders if os.access(f, os.W_OK)), folders[0])
    path = _unused_path(folder, name)
    write_text_atomically(path, text)
    return path


def _unused_path(folder: Path, name: str) -> Path:
    stem, dot, end = name.rpartition(".")
    names = (name if n == 1 else f"{stem}-{n}{dot}{end}" for n in range(1, 1000))
    return next((p for p in (folder / n for n in names) if not p.exists()), folder / name)
