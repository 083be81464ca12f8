"""The views above the table of a study: curves, and what its trials or folds say together."""

from dataclasses import replace

from textual.containers import Container, Horizontal, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from core.analysis.class_metrics import ClassificationReport
from core.common.format import counted
from core.study.definition import FOLDS, SWEEP
from tui.charts import compare as compare_chart
from tui.charts.compare import CompareView
from tui.charts.group_compare import runs_chart, study_readout
from tui.charts.spec import ChartSpec, LegendItem, drawn_log
from tui.charts.sweep import KeyView, best_so_far_chart, key_scatter, scatter_legend
from tui.preferences.palettes import Palette
from tui.text import class_metrics
from tui.text.study_screen import figure_lines, importance_bars
from tui.viewmodel.study import StudyContent
from tui.widgets.chart import Chart
from tui.widgets.confusion_map import ConfusionMap

CURVES, SCATTER, BEST, IMPORTANCE, MATRIX = (
    *("curves", "scatter", "best-so-far", "importance", "confusion"),
)
_BY_KIND = {SWEEP: (CURVES, SCATTER, BEST, IMPORTANCE), FOLDS: (CURVES, MATRIX)}
ALL_VIEWS = (CURVES, SCATTER, BEST, IMPORTANCE, MATRIX)


def views_of(kind: str) -> tuple[str, ...]:
    """Return the views that a kind of study has."""
    return _BY_KIND.get(kind, (CURVES,))


class StudyViews(Container):
    """Shows one view of a study."""

    def __init__(self) -> None:
        super().__init__(id="views")
        self.view = CURVES
        self.curves = CompareView()
        self.key = KeyView()
        self._content: StudyContent | None = None
        self._selected: int = 0
        self._by_name = False
        self._cell: tuple[int, int] | None = None
        """True and predicted class of the selected cell of the matrix."""
        # Held, not queried: a tick may still arrive while the screen is removed.
        self._chart = Chart("chart")
        self._importance = Static(id="importance", markup=False, classes="box")
        self._map = ConfusionMap("matrix")
        self._cell_text = Static(id="cell", markup=False)
        self._matrix = Vertical(self._map, self._cell_text, classes="box")
        self._pairs = Static(id="pairs", markup=False, classes="box")
        self._confusion = Horizontal(self._matrix, self._pairs, id="confusion")

    def compose(self) -> list[Widget]:
        """Create all views; one is displayed."""
        return [self._chart, self._importance, self._confusion]

    @property
    def columns(self) -> int:
        """Width of the x axis in cells."""
        return self._chart.columns

    @property
    def report(self) -> ClassificationReport | None:
        """The confusion matrix of a study of folds."""
        folds = self._content.folds if self._content else None
        return folds.report if folds else None

    def show(self, content: StudyContent, selected: int, palette: Palette) -> None:
        """Draw the view; `selected` is the number of a member."""
        self._content, self._selected = content, selected
        self._chart.display = self.view in (CURVES, SCATTER, BEST)
        self._importance.display = self.view == IMPORTANCE
        self._confusion.display = self.view == MATRIX
        if self.view == CURVES:
            self._show_curves(content, palette)
        elif self.view == MATRIX:
            self._show_matrix(content)
        else:
            self._show_sweep(content, palette)

    def _show_curves(self, content: StudyContent, palette: Palette) -> None:
        runs = content.runs
        members = {m.member.number: m for m in content.summary.members}
        member = members.get(self._selected)
        run = member.run.id if member and member.run else ""
        spec = runs_chart(runs, content.labels, self.curves, palette, run)
        if not content.is_complete:
            spec = replace(spec, empty="reading the runs …")
        title = compare_chart.title(self.curves, drawn_log(spec))
        number = counted(len(runs), "run")
        if self.curves.single:
            shown, other = number, "b mean and range"
        else:
            shown, other = f"mean and range of {number}", "b each run"
        self._chart.show(spec, f"{title} · {shown}", [LegendItem(f"{other} │ m figure  a x axis")])

    def _show_sweep(self, content: StudyContent, palette: Palette) -> None:
        sweep, members = content.sweep, content.summary.members
        if sweep is None:
            self._chart.show(_EMPTY, "", [])
            return
        if self.view == IMPORTANCE:
            self._importance.border_title = Content(
                f"Importance of the keys for {sweep.objective.label}"
            )
            self._importance.border_subtitle = Content("share in the variation of the objective")
            size = self._importance.content_size
            bars = importance_bars(sweep.importances, size.width, size.height or 1, palette)
            self._importance.update(bars if sweep.is_complete else Content("computing …"))
            return
        if self.view == BEST:
            chart = best_so_far_chart(members, sweep.best_so_far, sweep.objective, palette)
            title = f"{sweep.objective.label} over trials"
            self._chart.show(
                chart, title, [LegendItem("▪ finished trial"), LegendItem("⠒ best so far")]
            )
            return
        best = content.summary.best
        number = best.member.number if best else 0
        keys = list(sweep.keys.values())
        spec = key_scatter(
            members, keys, sweep.objective, self.key, palette, number, self._selected
        )
        key = self.key.key(keys)
        title = f"{sweep.objective.label} by {key.key}"
        shown = f"key {self.key.index % len(keys) + 1} of {len(keys)}"
        self._chart.show(spec, title, scatter_legend(members, f"a next key │ {shown}"))

    def _show_matrix(self, content: StudyContent) -> None:
        folds = content.folds
        report = folds.report if folds else None
        if folds is None or report is None or not report.size:
            self._matrix.border_title = Content("Confusion matrix")
            self._cell_text.update(Content("It follows the first validation of a fold."))
            self._map.show(None, (), (0, 0))
            return
        if self._cell is None or max(self._cell) >= report.size:
            pair = report.pairs[0] if report.pairs else None
            self._cell = (pair.truth, pair.predicted) if pair else (0, 0)
        truth, predicted = self._cell
        order = report.by_name if self._by_name else report.by_confusion
        self._map.show(report, order, (order.index(truth), order.index(predicted)))
        of = f"{counted(folds.folds, 'fold')}, best epochs" if folds.folds else "out of fold"
        omitted = class_metrics.omitted_text(report)
        self._matrix.border_title = Content(
            f"Confusion matrix, % of the true class · sum of {of}{omitted}"
            if folds.folds
            else f"Confusion matrix, % of the true class · {of}, all images{omitted}"
        )
        by = "m by confusion" if self._by_name else "m by name"
        self._matrix.border_subtitle = Content(f"{by} │ shift+arrows select a cell")
        self._cell_text.update(Content(class_metrics.cell_text(report, truth, predicted)))
        self._pairs.border_title = Content("Most confused pairs")
        figures = [*figure_lines(folds.figures), ""] if folds.figures else []
        height = max(1, self._pairs.content_size.height - len(figures))
        self._pairs.update(
            Content("\n".join([*figures, *class_metrics.pair_lines(report, height)]))
        )

    def readout(self) -> str:
        """Return the values at the cursor of the curves; empty without one."""
        content, view = self._content, self.curves
        if content is None or self.view != CURVES or view.cursor is None or not content.runs:
            return ""
        return study_readout(content.runs, view)

    def next_order(self) -> None:
        """Order the matrix by name, or by confusion."""
        self._by_name = not self._by_name

    def move_cell(self, down: int, across: int) -> None:
        """Select another cell of the matrix."""
        report = self.report
        if report is None or self._cell is None:
            return
        order = report.by_name if self._by_name else report.by_confusion

        def moved(label: int, by: int) -> int:
            return order[min(len(order) - 1, max(0, order.index(label) + by))]

        self._cell = moved(self._cell[0], down), moved(self._cell[1], across)

    def select_cell(self, truth: int, predicted: int) -> None:
        """Select a cell of the matrix."""
        self._cell = (truth, predicted)


_EMPTY = ChartSpec(empty="the trials of the sweep are not known")
