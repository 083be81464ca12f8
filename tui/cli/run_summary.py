"""Print the summary and charts of one run."""

import time
from collections.abc import Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from core.analysis.findings.verdict import report as findings_report
from core.common import format as fmt
from core.common.left_out import left_out_text
from core.common.text import printable
from core.data.value_range import ranges_text
from core.run.figures import FIGURES
from core.run.report import RunReport
from core.run.state import ACTIVE, RESUMABLE, RunState
from tui.charts import run_charts
from tui.charts.printed import draw_printed
from tui.charts.spec import drawn_log
from tui.charts.view import ChartView
from tui.cli.console import open_console
from tui.text import run_status
from tui.text.own_command import own_command
from tui.text.progress import progress_lines
from tui.text.run_list import problem
from tui.text.symbols import SYMBOLS

_TWO_COLUMNS_WIDTH = 120
_CHART_ROWS = 13
_GAP = 3
_COLORS = {
    "finished": "green",
    "failed": "red",
    "unreadable": "red",
    "stopped": "yellow",
    "interrupted": "yellow",
    "paused": "yellow",
}
Detail = tuple[str, str]


def print_run(report: RunReport, metrics: Sequence[str], width: int | None) -> None:
    """Print a run's summary and a chart per metric."""
    console = open_console(width)
    now = time.time()
    console.print(_headline(report, now))
    console.print(_details_table(details(report, now, console.width)))
    if not any(report.state.series.values()):
        return  # no step yet, nothing to draw
    console.print()
    _print_charts(console, report.state, metrics)


def _headline(report: RunReport, now: float) -> Text:
    status = report.summary.status
    reason = problem(report.summary) or report.state.reason
    color = _COLORS.get(status, "")
    return Text.assemble(
        (f"{SYMBOLS.get(status, '?')} ", color),
        (printable(report.summary.name), "bold"),
        "  ",
        (status, color),
        f": {printable(reason)}" if reason else "",
    )


def details(report: RunReport, now: float, width: int) -> list[Detail]:
    """Return the details of a run as pairs of label and text, without unknown ones."""
    return [(label, text) for label, text in _details(report, now, width) if text]


def _details(report: RunReport, now: float, width: int) -> Iterator[Detail]:
    state, status = report.state, report.summary.status
    yield "run", printable(str(report.folder.path))
    yield "time", _time(state, status, now)
    yield "data", _data(state)
    ranges = state.data.value_ranges if state.data else None
    yield "values", printable(ranges_text(ranges)) if ranges else ""
    yield "model", _model(state)
    yield "device", _device(state)
    for phase in state.phases.values():
        step = run_status.phase_step(phase, status not in ACTIVE).plain
        yield f"phase {printable(phase.name)}", step.replace(f" {printable(phase.name)} ", " ", 1)
    if status in ACTIVE:
        yield "now", "; ".join(c.plain for c in progress_lines(state, status, width - 14, 1))
    yield "best", _best(state)
    yield "weights", _weights(report)
    for number, text in enumerate(findings_report(state)):
        yield "" if number else "verdict", text
    if status in RESUMABLE:
        yield "resume with", own_command("--resume", report.folder)
    yield "warnings", f"{fmt.count(state.warnings)}, see log.txt" if state.warnings else ""


def _time(state: RunState, status: str, now: float) -> str:
    if state.started is None:
        return ""
    took = fmt.duration(run_status.elapsed(state, status, now))
    return f"{took}, started {fmt.when(state.started, now)}"


def _data(state: RunState) -> str:
    data = state.data
    if data is None:
        return ""
    counts = f"{fmt.count(data.train)} train and {fmt.counted(data.val, 'val image')}"
    classes = fmt.counted(len(data.classes), "class", "classes")
    left_out = left_out_text(data.left_out, data.damaged)
    return f"{printable(data.root)}: {counts} in {classes}{left_out and f'; {left_out}'}"


def _model(state: RunState) -> str:
    model = state.model
    if model is None:
        return ""
    parts = [printable(model.name), f"{fmt.parameters(model.parameters)} parameters"]
    return ", ".join([*parts, f"weights: {printable(model.weights)}"])


def _device(state: RunState) -> str:
    model = state.model
    if model is None:
        return ""
    name = f" ({printable(model.device_name)})" if model.device_name else ""
    speed = ", ".join(run_status.throughput_lines(state)) if state.epochs else ""
    parts = [f"{printable(model.device)}{name}", printable(model.precision), speed]
    return ", ".join(part for part in parts if part)


def _best(state: RunState) -> str:
    if state.best is None:
        return ""
    best = state.best.result
    return (
        f"val top-1 {fmt.percent(best.val_top1)}, top-5 {fmt.percent(best.val_top5)}, "
        f"loss {fmt.loss(best.val_loss)} in {printable(best.phase)} epoch {best.epoch}"
    )


def _weights(report: RunReport) -> str:
    folder = report.folder.checkpoints
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix == ".pt")
        names = [f"{printable(path.name)} {fmt.size(path.stat().st_size)}" for path in found]
    except OSError:
        return ""
    return f"checkpoints/: {', '.join(names)}" if names else ""


def _details_table(rows: Sequence[Detail]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, text in rows:
        table.add_row(Text(label), Text(text))
    return table


def _print_charts(console: Console, state: RunState, metrics: Sequence[str]) -> None:
    """Print the charts, two per row on a wide console."""
    if console.width < _TWO_COLUMNS_WIDTH:
        for key in metrics:
            console.print(_chart(state, key, console.width))
        return
    each = (console.width - _GAP) // 2
    grid = Table.grid(padding=(0, _GAP, 0, 0), pad_edge=False)
    grid.add_column(width=each)
    grid.add_column(width=each)
    charts = [_chart(state, key, each) for key in metrics]
    for first in range(0, len(charts), 2):
        grid.add_row(*charts[first : first + 2])
    console.print(grid)


def _chart(state: RunState, key: str, width: int) -> RenderableType:
    figure, view = FIGURES[key], ChartView()
    spec = run_charts.chart(state, figure, view)
    title = Text(run_charts.title(state, figure, view, drawn_log(spec)), style="bold")
    legend = Text(run_charts.legend_text(state, figure), style="dim")
    for line in (title, legend):
        line.truncate(width, overflow="ellipsis")
    chart = draw_printed(spec, width, _CHART_ROWS)
    return Group(title, chart, *([legend] if legend.plain else []), Text())
