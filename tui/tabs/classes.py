"""Tab with per-class metrics, the confusion matrix and the calibration."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Resize
from textual.widgets import Static

from core.analysis.class_metrics import ClassificationReport
from core.common.text import printable
from core.run.state import RunState
from tui.charts import class_curves
from tui.charts.spec import LegendItem
from tui.preferences.palettes import palette_of
from tui.tabs.base import RunTab
from tui.text import class_metrics
from tui.text.class_metrics import (
    F1,
    PREDICTED_AS,
    SUPPORT,
    TITLES,
    ClassTableData,
    SelectedEvaluation,
)
from tui.widgets import reliability
from tui.widgets.chart import Chart
from tui.widgets.class_table import ClassTable
from tui.widgets.confusion_map import ConfusionMap
from tui.widgets.fitted_text import FittedText

_VIEWS = ("all", "table", "confusion", "calibration")
_SIZE_FOR_ALL = (110, 22)
"""Width and height (cells) from which all parts are shown together."""
_WIDTH_FOR_CURVES = 140
_HEIGHT_FOR_CURVES, _LOWEST_WITH_CURVES = 40, 34
"""Heights from which the curves are below the table without asking, and from which that leaves room
for all other parts."""
_PAGE = 10


class ClassesTab(RunTab):
    """Show the evaluation of the latest or the best epoch of a run."""

    # Not in the footer, which is full at 80 columns: titles and subtitles name them.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "view", "View", show=False,
                tooltip="Show all parts, or only table, confusion matrix or calibration"),
        Binding("o", "sort", "Sort", show=False, tooltip="Sort the classes by the next column"),
        Binding("O", "reverse", "Reverse order", show=False,
                tooltip="Reverse the order of the classes"),
        Binding("m", "matrix", "Matrix order", show=False,
                tooltip="Order the confusion matrix by confusion or by name"),
        Binding("e", "best", "Best epoch", show=False,
                tooltip="Show the best epoch, or the latest one"),
        Binding("t", "curves", "Over epochs", show=False,
                tooltip="Show or hide the accuracy of the selected class over epochs"),
        Binding("up,k", "move(-1)", "Up", show=False, tooltip="Select the previous class"),
        Binding("down,j", "move(1)", "Down", show=False, tooltip="Select the next class"),
        Binding("pageup", f"move({-_PAGE})", "Page up", show=False, tooltip="Go up ten classes"),
        Binding("pagedown", f"move({_PAGE})", "Page down", show=False,
                tooltip="Go down ten classes"),
        Binding("home", "move(-1000000)", "First", show=False, tooltip="Select the first class"),
        Binding("end", "move(1000000)", "Last", show=False, tooltip="Select the last class"),
        Binding("left,h", "across(-1)", "Left", show=False,
                tooltip="Select the previous predicted class"),
        Binding("right,l", "across(1)", "Right", show=False,
                tooltip="Select the next predicted class"),
    ]  # fmt: skip
    DEFAULT_CSS = """
    ClassesTab {
        .classes-line { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
        #classes-upper { height: 1fr; }
        #classes-lower { height: 10; }
        .box { width: 1fr; height: 1fr; border: round $foreground 30%; }
        .box { border-title-color: $foreground; border-subtitle-color: $foreground 60%; }
        #classes-empty { display: none; height: 1fr; content-align: center middle; padding: 0 2; }
        &.-empty > * { display: none; }
        &.-empty > #classes-empty { display: block; }
        #classes-map, #classes-table { height: 1fr; }
        #classes-left { width: 1fr; height: 1fr; }
        &.-beside #classes-left { layout: horizontal; }
        &.-beside #classes-table-box { width: 2fr; }
        #classes-curves { display: none; padding: 0 1; }
        &.-curves #classes-curves { display: block; }
        &.-no-lower #classes-lower { display: none; }
        #classes-cell { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
        #classes-pairs, #classes-calibration { padding: 0 1; }
        #classes-pairs { text-wrap: nowrap; text-overflow: ellipsis; }
        &.-table #classes-confusion, &.-table #classes-lower { display: none; }
        &.-confusion #classes-left, &.-confusion #classes-calibration { display: none; }
        &.-confusion #classes-lower { height: 6; }
        &.-calibration #classes-upper, &.-calibration #classes-pairs { display: none; }
        &.-calibration #classes-lower { height: 1fr; }
        &:focus .box { border: round $primary 60%; }
    }
    """

    def __init__(self) -> None:
        super().__init__(id="classes-tab")
        self._run = (RunState(), "")
        self._best = False
        self._view = "all"
        self._sorted = (F1, False)
        self._by_name = False
        self._with_curves: bool | None = None
        """Whether the accuracy over epochs is shown; None where there is room."""
        self._truth = self._predicted = -1
        self._shown: tuple[object, object, str, bool] | None = None
        self._selected = SelectedEvaluation(None, None, "")
        self._data = ClassTableData(self._selected)
        # Held, not queried: a tick may still arrive while the tab is unmounted.
        self._title = Static(id="classes-title", markup=False, classes="classes-line")
        self._empty = Static(id="classes-empty", markup=False)
        self._table, self._map = ClassTable("classes-table"), ConfusionMap("classes-map")
        self._cell = Static(id="classes-cell", markup=False)
        self._pairs = FittedText(id="classes-pairs", markup=False, classes="box")
        self._calibration = FittedText(id="classes-calibration", markup=False, classes="box")
        self._table_box = Vertical(self._table, id="classes-table-box", classes="box")
        self._map_box = Vertical(self._map, self._cell, id="classes-confusion", classes="box")
        self._curves = Chart("classes-curves")
        self._curves.add_class("box")
        self._left = Vertical(self._table_box, self._curves, id="classes-left")
        self._upper = Horizontal(self._left, self._map_box, id="classes-upper")
        self._lower = Horizontal(self._pairs, self._calibration, id="classes-lower")

    def compose(self) -> ComposeResult:
        """Create all parts; CSS classes select the visible ones."""
        yield self._title
        yield self._empty
        yield self._upper
        yield self._lower

    def on_resize(self, event: Resize) -> None:
        """Fit the visible parts to the size."""
        self.call_after_refresh(self._draw)

    def show(self, state: RunState, status: str, slow: bool) -> None:
        """Draw the state of the run if it has changed."""
        self._run = (state, status)
        event = state.evaluations.best if self._best else state.evaluations.latest
        before = None if self._best else state.evaluations.before
        empty = "" if event else class_metrics.empty_text(state, status, self._best)
        dark = self.app.current_theme.dark
        shown = self._shown
        if shown and shown[0] is event and shown[1] is before and shown[2:] == (empty, dark):
            return
        self._shown = (event, before, empty, dark)
        self._selected = class_metrics.select_evaluation(state, status, self._best)
        self._data = ClassTableData(self._selected)
        self._place_cursor()
        self._draw()

    @property
    def _evaluation(self) -> ClassificationReport | None:
        return self._selected.evaluation

    def _place_cursor(self) -> None:
        """Keep the selected classes; start with the most confused pair."""
        evaluation = self._evaluation
        if evaluation is None or 0 <= max(self._truth, self._predicted) < evaluation.size:
            return
        if evaluation.pairs:
            worst = evaluation.pairs[0]
            self._truth, self._predicted = worst.truth, worst.predicted
        else:
            self._truth = self._predicted = 0

    @property
    def view(self) -> str:
        """The visible part, or `all` if the tab is large enough."""
        large = self.size.width >= _SIZE_FOR_ALL[0] and self.size.height >= _SIZE_FOR_ALL[1]
        return "table" if self._view == "all" and not large else self._view

    @property
    def _shows_curves(self) -> bool:
        """Whether the accuracy over epochs is visible: as chosen, or else if there is room."""
        has_room = self.view == "table" or self.size.height >= _HEIGHT_FOR_CURVES
        wanted = self._with_curves
        if wanted is None:
            wanted = self.size.width >= _WIDTH_FOR_CURVES and has_room
        return wanted and self.view in ("all", "table")

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        evaluation = self._evaluation
        has_classes = evaluation is not None and evaluation.size > 0
        for name in _VIEWS:
            self.set_class(has_classes and name == self.view, f"-{name}")
        self.set_class(not has_classes, "-empty")
        curves, is_table = has_classes and self._shows_curves, self.view == "table"
        self.set_class(curves, "-curves")
        self.set_class(is_table and self.size.width >= _WIDTH_FOR_CURVES, "-beside")
        too_low = self.size.height < _LOWEST_WITH_CURVES
        self.set_class(curves and not is_table and too_low, "-no-lower")
        if evaluation is None or not has_classes:
            self._empty.update(Content(self._selected.empty or "No classes."))
            return
        self._title.update(Content(f"{self._selected.title}  v view"))
        self._draw_table()
        self._draw_map(evaluation)
        # After the layout, which decides how many lines are visible.
        self.call_after_refresh(self._draw_lower)

    def _draw_table(self) -> None:
        order = self._table_order()
        column, descending = self._sorted
        self._table.show(self._data, order, self._sorted, order.index(self._truth))
        self._table_box.border_title = Content("Classes")
        by = f"by {TITLES[column]}, {'largest' if descending else 'smallest'} first"
        self._table_box.border_subtitle = Content(f"{by} │ o sort  O reverse order  t over epochs")

    def _draw_map(self, evaluation: ClassificationReport) -> None:
        order = self._map_order(evaluation)
        self._map.show(evaluation, order, (order.index(self._truth), order.index(self._predicted)))
        omitted = class_metrics.omitted_text(evaluation)
        self._map_box.border_title = Content(f"Confusion matrix, % of the true class{omitted}")
        by = "by name │ m by confusion" if self._by_name else "by confusion │ m by name"
        self._map_box.border_subtitle = Content(by)
        self._cell.update(
            Content(class_metrics.cell_text(evaluation, self._truth, self._predicted))
        )

    def _draw_lower(self) -> None:
        evaluation = self._evaluation
        if evaluation is None or not self.is_mounted:
            return
        self._draw_curves(evaluation)
        self._pairs.border_title = Content("Most confused pairs")
        lines = class_metrics.pair_lines(evaluation, max(1, self._pairs.content_size.height))
        self._pairs.update(Content("\n".join(lines)))
        size = self._calibration.content_size
        self._calibration.border_title = Content(
            f"Calibration · {class_metrics.calibration_text(evaluation)}"
        )
        self._calibration.border_subtitle = Content(reliability.LEGEND)
        palette = palette_of(self.app)
        bars = reliability.draw(evaluation.reliability, size.width, size.height, palette)
        self._calibration.update(bars)

    @on(FittedText.Resized)
    def _lower_resized(self) -> None:
        self._draw_lower()

    def _draw_curves(self, evaluation: ClassificationReport) -> None:
        if not self._curves.display:
            return
        state, _ = self._run
        labels = list(dict.fromkeys((self._truth, self._predicted)))
        spec = class_curves.class_chart(
            state, labels, lambda label: printable(evaluation.name(label)), palette_of(self.app)
        )
        self._curves.show(spec, class_curves.TITLE, [LegendItem(class_curves.missing_text(state))])

    def _table_order(self) -> list[int]:
        return self._data.order(*self._sorted)

    def _map_order(self, evaluation: ClassificationReport) -> Sequence[int]:
        return evaluation.by_name if self._by_name else evaluation.by_confusion

    def action_view(self) -> None:
        """Show the next part, or all parts."""
        self._view = _VIEWS[(_VIEWS.index(self.view) + 1) % len(_VIEWS)]
        self._draw()

    def action_sort(self) -> None:
        """Sort the table by the next column."""
        column = (self._sorted[0] + 1) % len(TITLES)
        self._sort_by(column)

    def action_reverse(self) -> None:
        """Reverse the order of the table."""
        self._sorted = (self._sorted[0], not self._sorted[1])
        self._draw()

    def _sort_by(self, column: int) -> None:
        # The worst classes first.
        self._sorted = (column, column in (SUPPORT, PREDICTED_AS))
        self._draw()

    def action_matrix(self) -> None:
        """Order the matrix by name, or by confusion."""
        self._by_name = not self._by_name
        self._draw()

    def action_best(self) -> None:
        """Show the best epoch, or the latest one."""
        self._best = not self._best
        self.show(*self._run, slow=True)

    def action_curves(self) -> None:
        """Show or hide the accuracy over epochs, next to the table or below it."""
        shown = self._shows_curves
        if self.view not in ("all", "table"):
            self._view = "table"
        self._with_curves = not shown
        self._draw()

    def action_move(self, by: int) -> None:
        """Select another class, in the order of the visible part."""
        evaluation = self._evaluation
        if evaluation is None or not evaluation.size:
            return
        if self.view == "confusion":
            self._truth = _moved(self._map_order(evaluation), self._truth, by)
        else:
            self._truth = _moved(self._table_order(), self._truth, by)
            self._predicted = self._most_confused_with(evaluation, self._truth)
        self._draw()

    def action_across(self, by: int) -> None:
        """Select another predicted class in the matrix."""
        evaluation = self._evaluation
        if evaluation is not None and evaluation.size:
            self._predicted = _moved(self._map_order(evaluation), self._predicted, by)
            self._draw()

    def _most_confused_with(self, evaluation: ClassificationReport, truth: int) -> int:
        found = (pair.predicted for pair in evaluation.pairs if pair.truth == truth)
        return next(found, truth)

    @on(ClassTable.Sorted)
    def _sorted_by_click(self, message: ClassTable.Sorted) -> None:
        message.stop()
        if message.column == self._sorted[0]:
            self.action_reverse()
        else:
            self._sort_by(message.column)

    @on(ClassTable.Clicked)
    def _class_clicked(self, message: ClassTable.Clicked) -> None:
        message.stop()
        evaluation = self._evaluation
        if evaluation is not None and message.label < evaluation.size:
            self._truth = message.label
            self._predicted = self._most_confused_with(evaluation, message.label)
            self._draw()

    @on(ConfusionMap.Clicked)
    def _cell_clicked(self, message: ConfusionMap.Clicked) -> None:
        message.stop()
        self._truth, self._predicted = message.truth, message.predicted
        self._draw()


def _moved(order: Sequence[int], label: int, by: int) -> int:
    index = order.index(label)
    return order[min(len(order) - 1, max(0, index + by))]
