"""The subcommand that looks at a folder of pictures."""

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.common.errors import SetupError
from core.common.location import expanded
from core.common.text import printable
from core.data.storage import place_of
from tui.cli.outputs import check_outputs

if TYPE_CHECKING:
    from core.data.check import Report


@click.command()
@click.argument("folder", metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="All of it as one JSON object.")
@click.option("--strict", is_flag=True, help="Exit with 1 where there are problems.")
@click.option("--report", "file", metavar="FILE", help="Write a CSV list: kind, path, detail.")
@click.pass_context
def check(
    context: click.Context, folder: str, as_json: bool, strict: bool, file: str | None
) -> None:
    """Look through a folder of pictures: what can't be read, copies, leaks, unequal classes.

    Nothing in the folder is changed. What was found of each file is kept, and training uses it.
    """
    from core.data.check import check as look
    from core.data.decode import hush_pillow

    check_outputs(("--report", file))
    hush_pillow()
    root = place_of(expanded(folder))
    with _Bar() as bar:
        report = look(root, bar.show)
    assert report is not None
    if file is not None:
        _write(report, Path(file))
    if as_json:
        click.echo(json.dumps(report.to_dict(), ensure_ascii=True, indent=2))
    else:
        from rich.console import Console

        from tui.text.data_check import report_text

        console = Console(highlight=False, markup=False, soft_wrap=True)
        console.print(report_text(report, console.width))
    if strict and report.problems:
        context.exit(1)


class _Bar:
    """A progress bar on a terminal's stderr; nothing elsewhere."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self._progress = Progress(console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("reading pictures", total=None)

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def show(self, done: int, total: int) -> None:
        """Show how many of all pictures were read."""
        self._progress.update(self._task, completed=done, total=total)


def _write(report: "Report", file: Path) -> None:
    from core.common.files import write_text_atomically

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["kind", "path", "detail"])
    writer.writerows(
        [
            *(["damaged", item.path, item.reason] for item in report.damaged),
            *(["mismatched", item.path, item.content] for item in report.mismatched),
            *_grouped("leak", report.leaks),
            *_grouped("duplicate", report.duplicates),
            *_grouped("near duplicate", report.near_duplicates),
            *(["folder", item.path, item.reason] for item in report.folders),
            *(["ignored", path, ""] for path in report.ignored),
        ]
    )
    try:
        write_text_atomically(file, text.getvalue())
    except OSError as error:
        shown = printable(str(file))
        raise SetupError(f"{shown} can't be written: {error.strerror or error}") from None


def _grouped(kind: str, groups: list[list[str]]) -> list[list[str]]:
    return [
        [kind, path, f"group {number}"] for number, group in enumerate(groups, 1) for path in group
    ]
