"""The command `check`: check a folder of images before training."""

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.common.files import write_text_atomically
from core.common.location import expand_user
from core.common.tables import csv_table
from tui.cli.outputs import check_outputs, write_errors
from tui.cli.progress_bars import progress_bar

if TYPE_CHECKING:
    from core.data.check import DataReport


@click.command()
@click.argument("folder", metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@click.option("--strict", is_flag=True, help="Exit with 1 where there are problems.")
@click.option(
    "--report", "report_file", metavar="FILE", help="Write a CSV list: kind, path, detail."
)
@click.pass_context
def check(
    context: click.Context, folder: str, as_json: bool, strict: bool, report_file: str | None
) -> None:
    """Check a folder of images before training.

    Reports unreadable files, duplicates, split leaks and class imbalance. Nothing in the folder is
    changed. The results are cached for training.
    """
    from core.data.check import check_data
    from core.data.sources import parse_location
    from tui.cli.quiet_libraries import quiet_libraries

    check_outputs(("--report", report_file))
    with quiet_libraries(), progress_bar("reading images") as bar:
        report = check_data(parse_location(expand_user(folder)), bar.update)
    assert report is not None
    if report_file is not None:
        with write_errors(report_file):
            write_text_atomically(Path(report_file), _to_csv(report))
    if as_json:
        click.echo(json.dumps(report.to_dict(), ensure_ascii=True, indent=2))
    else:
        from rich.console import Console

        from tui.text.data_check import report_text

        console = Console(highlight=False, markup=False, soft_wrap=True)
        console.print(report_text(report, console.width))
    if strict and report.problems:
        context.exit(1)


def _to_csv(report: "DataReport") -> str:
    from core.data.value_range import number

    unsupported = set(report.unsupported)
    rows = [
        *(["damaged", item.path, item.reason] for item in report.damaged),
        *(["mismatched", item.path, item.content] for item in report.mismatched),
        *_group_rows("leak", report.leaks),
        *_group_rows("duplicate", report.duplicates),
        *_group_rows("near duplicate", report.near_duplicates),
        *(
            ["values", item.path, f"{item.kind}, {number(item.low)} to {number(item.high)}"]
            for item in report.deep
        ),
        *(["folder", item.path, item.reason] for item in report.folders),
        *(["unsupported", path, ""] for path in report.unsupported),
        *(["ignored", path, ""] for path in report.ignored if path not in unsupported),
    ]
    return csv_table(["kind", "path", "detail"], rows, quoting=csv.QUOTE_ALL)


def _group_rows(kind: str, groups: list[list[str]]) -> list[list[str]]:
    return [
        [kind, path, f"group {number}"] for number, group in enumerate(groups, 1) for path in group
    ]
