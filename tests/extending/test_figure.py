"""A figure of a run takes one entry in the table; all views and exports use it."""

import csv
import io
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from core.analysis.compare import ComparedRun, RunLabel, compared_run
from core.analysis.compare_curves import ALIGNMENTS, comparison_curves, curve_points
from core.analysis.compare_export import curves_csv
from core.analysis.scalars import scalars
from core.common import format as fmt
from core.common.errors import SetupError
from core.run.figures import FIGURES, EpochValue, Figure
from core.run.state import fold
from tests.tui import scripted
from tests.tui.disk import write_run
from tui.charts.readout import readout
from tui.charts.run_charts import chart, title
from tui.charts.view import ChartView
from tui.cli.main import cli
from tui.preferences.settings import Settings, with_setting

FIGURE = Figure(
    key="loading",
    title="data loading",
    short="data",
    text=fmt.percent,
    unit="%",
    unit_size=0.01,
    goal="min",
    limits=(0.0, 1.0),
    step=lambda e: (e.data_wait,),
    tag="speed/loading",
    train=EpochValue(
        "epoch_loading", "data loading", attrgetter("data_wait"), "speed/epoch_loading"
    ),
)
SCRIPT = scripted.running()
EPOCHS = 10


@pytest.fixture
def figure(monkeypatch: pytest.MonkeyPatch) -> Figure:
    """The fraction of the time spent loading data, with its own chart."""
    monkeypatch.setitem(FIGURES, FIGURE.key, FIGURE)
    return FIGURE


@pytest.fixture
def runs_dir(tmp_path: Path) -> Iterator[Path]:
    for name in ("first", "second"):
        write_run(tmp_path, name, SCRIPT.records)
    yield tmp_path


def compared(letter: str) -> ComparedRun:
    return compared_run(fold(SCRIPT.records), RunLabel(letter, letter, letter, 0), "running")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def test_run_charts_draw_a_new_figure(figure: Figure) -> None:
    state = fold(SCRIPT.records)
    spec = chart(state, figure, ChartView())
    (curve,) = spec.curves
    assert {y for _, y in curve.points} == {0.03}
    assert spec.text(0.03) == figure.text(0.03)
    assert title(state, figure, ChartView(), False).startswith("data loading · ")


@pytest.mark.usefixtures("figure")
def test_the_readout_has_the_value_of_a_new_figure() -> None:
    (line,) = readout(fold(SCRIPT.records), ChartView(cursor=4.0), 60)
    assert line.endswith(" · data 3.00%")


@pytest.mark.usefixtures("figure")
def test_runs_can_be_compared_by_a_new_figure() -> None:
    curve = {curve.key: curve for curve in comparison_curves()}["epoch_loading"]
    assert {y for _, y in curve_points(compared("A"), curve, ALIGNMENTS[0])} == {0.03}


@pytest.mark.usefixtures("figure")
def test_exported_curves_have_a_column_for_a_new_figure() -> None:
    rows = list(csv.DictReader(io.StringIO(curves_csv([compared("A"), compared("B")]))))
    assert {row["epoch_loading"] for row in rows} == {"0.03"}
    assert len(rows) == 2 * EPOCHS


@pytest.mark.usefixtures("figure")
def test_tensorboard_gets_the_scalars_of_a_new_figure() -> None:
    series = scalars(SCRIPT.records)
    assert {scalar.value for scalar in series["speed/loading"]} == {0.03}
    assert len(series["speed/epoch_loading"]) == EPOCHS


@pytest.mark.usefixtures("figure")
def test_the_settings_accept_a_new_figure() -> None:
    assert with_setting(Settings(), "chart", "loading").chart == "loading"
    with pytest.raises(SetupError, match="power, loading"):
        with_setting(Settings(), "chart", "unknown")


@pytest.mark.usefixtures("figure")
def test_show_draws_a_new_figure(runs_dir: Path) -> None:
    shown = call("show", "first", "--metric", "loading", "--runs-dir", str(runs_dir))
    assert (shown.exit_code, "data loading · " in shown.output) == (0, True), shown.output


@pytest.mark.usefixtures("figure")
def test_compare_draws_a_new_figure(runs_dir: Path) -> None:
    svg = runs_dir / "loading.svg"
    options = ("--figure", "epoch_loading", "--svg", str(svg), "--runs-dir", str(runs_dir))
    done = call("compare", "first", "second", *options)
    assert done.exit_code == 0, done.output
    assert "data loading" in svg.read_text()


def test_nothing_accepts_a_figure_without_an_entry(runs_dir: Path) -> None:
    shown = call("show", "first", "--metric", "loading", "--runs-dir", str(runs_dir))
    assert (shown.exit_code, "'loading' is not one of" in shown.output) == (2, True)
    with pytest.raises(SetupError):
        with_setting(Settings(), "chart", "loading")
