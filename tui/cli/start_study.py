"""Start a study that `--seeds N`, `--folds N` or `--sweep KEY=RANGE` asks for, or resume one."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.common.errors import SetupError
from core.common.text import printable
from tui.cli.console import open_console
from tui.cli.open_app import has_terminal, open_app

if TYPE_CHECKING:
    from core.config.schema import Config
    from core.study.definition import Study
    from core.study.worker import StudyEnd
    from tui.cli.start_options import StartOptions
    from tui.runtime.study_headless import NewStudy
    from tui.widgets.host import Plan

_SWEEP_OPTIONS = ("trials", "sampler", "pruner", "objective")
"""Options that `--sweep` needs."""
STUDY_OPTIONS = ("seeds", "folds", "vary_split", "sweep", *_SWEEP_OPTIONS)
_NOT_FOR_STUDIES = ("overrides", "device", "data")
_NAMES = {"overrides": "set"}


def resumed_study(options: "StartOptions") -> "Study | None":
    """Return the study that `--resume` names, None for a run; raises SetupError."""
    if options.resume is None:
        return None
    # Not before: the app's first frame would wait for the schema of the configuration.
    from core.run.folder import RunFolder
    from core.study.definition import find_run_or_study

    found = find_run_or_study(Path(options.runs_dir), options.resume)
    if isinstance(found, RunFolder):
        return None
    for name in options.given(_NOT_FOR_STUDIES):
        raise SetupError(
            f"--{_NAMES.get(name, name)} can't change a study, whose runs must differ only in "
            "what it varies: omit it, or start a new study"
        )
    return found


def wants_new_study(options: "StartOptions") -> bool:
    """Return whether the options ask for a new study; raises SetupError for those that exclude
    each other."""
    kinds = options.given(("seeds", "folds", "sweep"))
    if len(kinds) > 1:
        first, second, *_ = kinds
        raise SetupError(f"--{first} and --{second} are two kinds of study: give one of them")
    if options.vary_split and options.seeds is None:
        raise SetupError("--vary-split is for --seeds N: give both")
    if not options.sweep:
        for name in options.given(_SWEEP_OPTIONS):
            raise SetupError(f"--{name} is for --sweep KEY=RANGE: give both")
    return bool(kinds)


def start_study(options: "StartOptions", plan: "Plan", resumed: "Study | None") -> int:
    """Run a study, here, in the background, or with the app; returns the exit code.

    `plan` loads the configuration of a new study. Raises SetupError.
    """
    if options.gpus not in (None, "1"):
        raise SetupError("--gpus trains one run on several GPUs: omit it with a study")
    # An invalid configuration is reported here, not in a background process.
    study = resumed or _new_study(options, plan)
    if options.detach:
        code, message, _ = _start_in_background(options)
        click.echo(message, err=code != 0)
        return code
    if not (options.no_ui or not has_terminal()):
        click.echo("starting the study in the background", err=True)
        code, message, id = _start_in_background(options)
        if code:
            click.echo(message, err=True)
            return code
        code = open_app(options.app, show=Path(options.runs_dir) / id if id else None)
        click.echo(message)
        return code
    from tui.runtime.study_headless import run_headless_study

    code, end = run_headless_study(study, options.log_format, options.accept_data_changes)
    _report(end, quiet=options.log_format == "json")
    return code


def check_new_study(options: "StartOptions", plan: "Plan") -> None:
    """Raise SetupError unless the study of the options can be started."""
    if options.gpus not in (None, "1"):
        raise SetupError("--gpus trains one run on several GPUs: omit it with a study")
    _new_study(options, plan)


def _new_study(options: "StartOptions", plan: "Plan") -> "NewStudy":
    from core.config.load import with_default_name
    from core.study.definition import FOLDS, SEEDS, SWEEP
    from core.study.members import folds_options, seeds_options
    from tui.runtime.study_headless import NewStudy

    config = with_default_name(plan()[0])
    if options.sweep:
        kind, varied = SWEEP, _sweep_options(options, config)
    elif options.seeds is not None:
        kind, varied = SEEDS, seeds_options(config, options.seeds, options.vary_split)
    else:
        assert options.folds is not None
        kind, varied = FOLDS, folds_options(config, options.folds)
    return NewStudy(Path(options.runs_dir), kind, config, varied)


def _sweep_options(options: "StartOptions", config: "Config") -> dict[str, object]:
    from core.study.sweep.options import parse_sweep, sweep_options

    given = {name: getattr(options, name) for name in options.given(_SWEEP_OPTIONS)}
    return sweep_options(config, dict(map(parse_sweep, options.sweep)), **given)


def _start_in_background(options: "StartOptions") -> tuple[int, str, str]:
    from tui.runtime.remote_control import start_detached

    arguments = [argument for argument in sys.argv[1:] if argument != "--detach"]
    return start_detached(arguments, Path(options.runs_dir))


def _report(end: "StudyEnd", quiet: bool) -> None:
    from core.study.out_of_fold import read_figures
    from tui.text.study_table import print_study

    study = end.state.study
    if not quiet:
        click.echo()
        print_study(open_console(), end.state, read_figures(study))
        click.echo(f"study folder: {printable(str(study.path))}")
    if end.problem:
        click.echo(f"error: {end.problem}", err=True)
    for member in end.failed:
        click.echo(f"error: {member.member.label}: {printable(member.reason)}", err=True)
