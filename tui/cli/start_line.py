"""Parse options that start a run or study, as the main command does, in a subcommand."""

from collections.abc import Sequence
from pathlib import Path

import click

from core.common.errors import SetupError

_SWEEP = "sweep"


def parse_start(root: click.Context, options: Sequence[str]) -> click.Context:
    """Return a context of the main command with these options; raises SetupError for a subcommand
    other than `sweep`, in whose place are the options of its file."""
    from core.study.sweep.spec_file import spec_arguments

    given = list(options)
    if given[:1] == [_SWEEP] and given[1:]:
        given = [*spec_arguments(Path(given[1])), *given[2:]]
    runs_dir = {"runs_dir": root.params["runs_dir"]}
    parsed = root.command.make_context("convnext-tui", given, default_map=runs_dir)
    if rest := [*parsed._protected_args, *parsed.args]:
        raise SetupError(f"expected options that start a run, but was given {rest[0]!r}")
    return parsed
