"""Which classes are told apart and which are not: table, confusion matrix, calibration."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Resize
from textual.widgets import Static

from core.analysis.class_metrics import Evaluation
from core.run.state import RunState
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
from tui.widgets.class_table import ClassTable
from tui.widgets.confusion_map import ConfusionMap

_VIEWS = ("all", "table", "confusion", "calibration")
_ROOMY = (110, 22)
_PAGE = 10


class ClassesTab(RunTab):
    """Draws the evaluation of the latest or the best epoch of a run."""

    # None is shown in the footer, which is full at 80 columns: they stand where they work.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "v",
            "view",
            "view",
            show=False,
            tooltip="Show table, confusion matrix or calibration alone",
        ),
        Binding(
            "o", "sort", "sort", show=False, tooltip="Sort the table of classes by the next column"
        ),
        Binding("O", "reverse", "reverse", show=False, tooltip="Sort the table the other way"),
        Binding(
            "m", "matrix", "matrix", show=False, tooltip="Confusion matrix by confusion or by name"
        ),
        Binding(
            "e",
            "best",
            "best",
            show=False,
            tooltip="Classes in the best epoch, or in the latest one",
        ),
        Binding("up,k", "move(-1)", "up", show=False, tooltip="The class above"),
        Binding("down,j", "move(1)", "down", show=False, tooltip="The class below"),
        Binding("pageup", f"move({-_PAGE})", "page up", show=False, tooltip="Ten classes up"),
        Binding("pagedown", f"move({_PAGE})", "page down", show=False, tooltip="Ten classes down"),
        Binding("home", "move(-1000000)", "first", show=False, tooltip="The first class"),
        Binding("end", "move(1000000)", "last", show=False, tooltip="The last class"),
        Binding("left,h", "across(-1)", "left", show=False, tooltip="The predicted class before"),
        Binding("right,l", "across(1)", "right", show=False, tooltip="The predicted class after"),
    ]
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
        #classes-cell { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
        #classes-pairs, #classes-calibration { padding: 0 1; }
        #classes-pairs { text-wrap: nowrap; text-overflow: ellipsis; }
        &.-table #classes-confusion, &.-table #classes-lower { display: none; }
        &.-confusion #classes-table-box, &.-confusion #classes-calibration { display: none; }
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
        self._truth = self._predicted = -1
        self._shown: tuple[object, object, str, bool] | None = None
        self._chosen = SelectedEvaluation(None, None, "")
        self._data = ClassTableData(self._chosen)
        # Held, not looked up: a tick may still come while the app takes the tab down.
        self._title = Static(id="classes-title", markup=False, classes="classes-line")
        self._empty = Static(id="classes-empty", markup=False)
        self._table, self._map = ClassTable("classes-table"), ConfusionMap("classes-map")
        self._cell = Static(id="classes-cell", markup=False)
        self._pairs = Static(id="classes-pairs", markup=False, classes="box")
        self._calibration = Static(id="classes-calibration", markup=False, classes="box")
        self._table_box = Vertical(self._table, id="classes-table-box", classes="box")
        self._map_box = Vertical(self._map, self._cell, id="classes-confusion", classes="box")
        self._upper = Horizontal(self._table_box, self._map_box, id="classes-upper")
        self._lower = Horizontal(self._pairs, self._calibration, id="classes-lower")

    def compose(self) -> ComposeResult:
        """Lay out all parts; classes say which are seen."""
        yield self._title
        yield self._empty
        yield self._upper
        yield self._lower

    def on_resize(self, event: Resize) -> None:
        """What is seen at once depends on the room."""
        self.call_after_refresh(self._draw)

    def show(self, state: RunState, status: str, slow: bool) -> None:
        """Draw this state of the run; does nothing where nothing has changed."""
        self._run = (state, status)
        event = state.best_evaluation if self._best else state.evaluation
        before = None if self._best else state.evaluation_before
        empty = "" if event else class_metrics.empty_text(state, status, self._best)
        dark = self.app.current_theme.dark
        shown = self._shown
        if shown and shown[0] is event and shown[1] is before and shown[2:] == (empty, dark):
            return
        self._shown = (event, before, empty, dark)
        self._chosen = class_metrics.select_evaluation(state, status, self._best)
        self._data = ClassTableData(self._chosen)
        self._place_cursor()
        self._draw()

    @property
    def _evaluation(self) -> Evaluation | None:
        return self._chosen.evaluation

    def _place_cursor(self) -> None:
        """Stay with the class that was looked at; begin with the worst pair."""
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
        """Which parts are seen: `all` only where there is room for them."""
        roomy = self.size.width >= _ROOMY[0] and self.size.height >= _ROOMY[1]
        return "table" if self._view == "all" and not roomy else self._view

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        evaluation = self._evaluation
        has_classes = evaluation is not None and evaluation.size > 0
        for name in _VIEWS:
            self.set_class(has_classes and name == self.view, f"-{name}")
        self.set_class(not has_classes, "-empty")
        if evaluation is None or not has_classes:
            self._empty.update(Content(self._chosen.empty or "There are no classes."))
            return
        following = _VIEWS[(_VIEWS.index(self.view) + 1) % len(_VIEWS)]
        self._title.update(Content(f"{self._chosen.title}  v {following}"))
        self._draw_table()
        self._draw_map(evaluation)
        # After the layout: how many lines there is room for depends on what is seen.
        self.call_after_refresh(self._draw_lower)

    def _draw_table(self) -> None:
        order = self._table_order()
        column, descending = self._sorted
        self._table.show(self._data, order, self._sorted, order.index(self._truth))
        self._table_box.border_title = Content("classes")
        by = f"by {TITLES[column]}, {'largest' if descending else 'smallest'} first"
        self._table_box.border_subtitle = Content(f"{by} │ o next column  O reverse")

    def _draw_map(self, evaluation: Evaluation) -> None:
        order = self._map_order(evaluation)
        self._map.show(evaluation, order, (order.index(self._truth), order.index(self._predicted)))
        left_out = class_metrics.omitted_text(evaluation)
        self._map_box.border_title = Content(f"confusion, % of the true class{left_out}")
        by = "by name │ m by confusion" if self._by_name else "by confusion │ m by name"
        self._map_box.border_subtitle = Content(by)
        self._cell.update(
            Content(class_metrics.cell_text(evaluation, self._truth, self._predicted))
        )

    def _draw_lower(self) -> None:
        evaluation = self._evaluation
        if evaluation is None or not self.is_mounted:
            return
        self._pairs.border_title = Content("confused most")
        lines = class_metrics.pair_lines(evaluation, max(1, self._pairs.content_size.height))
        self._pairs.update(Content("\n".join(lines)))
        size = self._calibration.content_size
        self._calibration.border_title = Content(
            f"calibration · {class_metrics.calibration_text(evaluation)}"
        )
        self._calibration.border_subtitle = Content(reliability.LEGEND)
        palette = palette_of(self.app)
        bars = reliability.draw(evaluation.reliability, size.width, size.height, palette)
        self._calibration.update(bars)

    def _table_order(self) -> list[int]:
        return self._data.order(*self._sorted)

    def _map_order(self, evaluation: Evaluation) -> Sequence[int]:
        return evaluation.by_name if self._by_name else evaluation.by_confusion

    def action_view(self) -> None:
        """Show the next part alone, or all of them."""
        self._view = _VIEWS[(_VIEWS.index(self.view) + 1) % len(_VIEWS)]
        self._draw()

    def action_sort(self) -> None:
        """Sort the table by the next column."""
        column = (self._sorted[0] + 1) % len(TITLES)
        self._sort_by(column)

    def action_reverse(self) -> None:
        """Sort the table the other way."""
        self._sorted = (self._sorted[0], not self._sorted[1])
        self._draw()

    def _sort_by(self, column: int) -> None:
        # What is worst comes first.
        self._sorted = (column, column in (SUPPORT, PREDICTED_AS))
        self._draw()

    def action_matrix(self) -> None:
        """Put the classes of the matrix in the other order."""
        self._by_name = not self._by_name
        self._draw()

    def action_best(self) -> None:
        """Show the best epoch, or the latest one again."""
        self._best = not self._best
        self.show(*self._run, slow=True)

    def action_move(self, by: int) -> None:
        """Go to another class, in the order of what is looked at."""
        evaluation = self._evaluation
        if evaluation is None or not evaluation.size:
            return
        if self.view == "confusion":
            self._truth = _moved(self._map_order(evaluation), self._truth, by)
        else:
            self._truth = _moved(self._table_order(), self._truth, by)
            self._predicted = self._worst_of(evaluation, self._truth)
        self._draw()

    def action_across(self, by: int) -> None:
        """Go to another predicted class in the matrix."""
        evaluation = self._evaluation
        if evaluation is not None and evaluation.size:
            self._predicted = _moved(self._map_order(evaluation), self._predicted, by)
            self._draw()

    def _worst_of(self, evaluation: Evaluation, truth: int) -> int:
        found = (pair.predicted for pair in evaluation.pairs if pair.truth == truth)
        return next(found, truth)

    @on(ClassTable.Sorted)
    def _sorted_by_click(self, message: ClassTable.Sorted) -> None:
        message.stop()
        if message.column == self._sorted[0]:
            self.action_reverse()
        else:
            self._sort_by(message.column)

    @on(ClassTable.Picked)
    def _class_picked(self, message: ClassTable.Picked) -> None:
        message.stop()
        evaluation = self._evaluation
        if evaluation is not None and message.label < evaluation.size:
            self._truth = message.label
            self._predicted = self._worst_of(evaluation, message.label)
            self._draw()

    @on(ConfusionMap.Picked)
    def _cell_picked(self, message: ConfusionMap.Picked) -> None:
        message.stop()
        self._truth, self._predicted = message.truth, message.predicted
        self._draw()


def _moved(order: Sequence[int], label: int, by: int) -> int:
    place = order.index(label)
    return order[min(len(order) - 1, max(0, place + by))]
