"""Files that a study is exported to."""

from collections.abc import Sequence
from pathlib import Path

from core.analysis.compare import ComparedRun
from core.common.text import slug
from core.study.members_export import members_csv
from core.study.run_groups import named_groups
from core.study.study_summary import StudySummary
from tui.charts.compare import CompareView
from tui.charts.compare_files import export_groups


def export_study(
    summary: StudySummary,
    runs: Sequence[ComparedRun],
    view: CompareView,
    kind: str,
    folders: Sequence[Path],
    now: float,
) -> Path:
    """Write `table` or `curves` as CSV or `chart` as SVG into the first writable folder; returns
    the file's path. Raises OSError."""
    groups = named_groups([(summary.id, summary.row.name, runs)])
    state = summary.state
    table = (lambda: members_csv(state)) if state else None
    return export_groups(groups, view, kind, folders, now, table, f"study-{slug(summary.row.name)}")
