"""The command `show`: print one run with its charts, or the members of a study."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tui.cli.options import runs_dir_option
from tui.cli.run_report import read_run
from tui.cli.study_report import print_study_as
from tui.preferences.settings import allowed_values

if TYPE_CHECKING:
    from core.study.definition import Study


class _FigureKey(click.Choice):  # type: ignore[type-arg]
    """Key of a charted figure, also of one that is added after this module is imported."""

    def __init__(self) -> None:
        self.case_sensitive = True

    @property
    def choices(self) -> tuple[str, ...]:  # type: ignore[override]
        return allowed_values()["chart"]


@click.command()
@click.argument("run", required=False)
@click.option("--json", "output", flag_value="json", help="Print the run as one JSON object.")
@click.option("--csv", "output", flag_value="csv", help="Print its epochs as in history.csv.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    type=_FigureKey(),
    help="Metric to draw; repeatable. [default: loss, top1]",
)
@click.option("--no-chart", is_flag=True, help="Print the summary only.")
@click.option("--width", type=click.IntRange(40, 1000), metavar="N", help="Width in columns.")
@runs_dir_option
def show(
    run: str | None,
    output: str | None,
    metrics: tuple[str, ...],
    no_chart: bool,
    width: int | None,
    runs_dir: Path,
) -> None:
    """Print one run with its charts. Without RUN it prints the newest.

    In place of RUN a study can be given: prints its members with their results. It works for runs
    and studies in progress too and writes nothing.
    """
    study = _find_study(runs_dir, run)
    if study is not None:
        print_study_as(study, output)
        return
    report = read_run(runs_dir, run)
    if output == "json":
        from core.analysis.findings.findings import find
        from core.analysis.findings.verdict import verdict

        click.echo(
            report.to_json({"findings": find(report.state), "verdict": verdict(report.state)})
        )
    elif output == "csv":
        click.echo(report.to_csv(), nl=False)
    else:
        from tui.cli.run_summary import print_run

        print_run(report, () if no_chart else (metrics or ("loss", "top1")), width)


def _find_study(runs_dir: Path, name: str | None) -> "Study | None":
    from core.run.folder import RunFolder
    from core.study.definition import find_run_or_study

    found = find_run_or_study(runs_dir, name) if name else None
    return None if isinstance(found, RunFolder) else found
