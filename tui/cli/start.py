"""Start what `convnext-tui` without a subcommand asks for: the app, or a run without it."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.common.errors import SetupError
from core.distributed.torchrun_env import find_job
from tui.cli.open_app import has_terminal, open_app, require_terminal
from tui.cli.start_options import StartOptions
from tui.cli.start_study import (
    STUDY_OPTIONS,
    check_new_study,
    resumed_study,
    start_study,
    wants_new_study,
)
from tui.runtime.launch import check_ranks, count_ranks, run_ranks

if TYPE_CHECKING:
    from core.config.schema import Config
    from core.session.resume import Resumption
    from tui.widgets.host import Plan

_NOT_ON_RESUME = ("preset", "demo", "name", "seed", *STUDY_OPTIONS)
_NEW_RUN_OPTIONS = ("data", *_NOT_ON_RESUME)
_RUN_OPTIONS = (*_NEW_RUN_OPTIONS, "overrides", "device")


def start(options: StartOptions) -> int:
    """Open the app or train a run; returns the exit code, raises SetupError."""
    plan = _plan(options)
    if plan is not None and options.read_only:
        raise SetupError("--read-only starts no run: omit it, or the options of the run")
    is_new_study, study = wants_new_study(options), resumed_study(options)
    job = find_job()
    if job.id and plan is not None:
        if is_new_study or study is not None:
            raise SetupError("torchrun trains one run on several GPUs: start a study without it")
        from tui.runtime.rank_main import run_as_rank

        return run_as_rank(job, plan, Path(options.runs_dir), options.log_format)
    if plan is not None and (is_new_study or study is not None):
        return start_study(options, plan, study)
    ranks = count_ranks(options.gpus, options.device) if options.gpus else 1
    if plan is None:
        if job.size > 1:
            raise SetupError("torchrun needs a run: give --data DIR, --demo or --resume RUN")
        _require_no_run(options, ranks)
        require_terminal()
        return open_app(options.app)
    if options.detach:
        return _detach(plan, options)
    without_app = options.no_ui or not has_terminal()
    if ranks > 1:
        return _start_ranks(ranks, plan, options, without_app)
    if without_app:
        from tui.runtime.headless import run_headless

        config, resumption = plan()
        return run_headless(config, Path(options.runs_dir), options.log_format, resumption)
    return open_app(options.app, plan)


def check_start(options: StartOptions) -> None:
    """Raise SetupError unless the options start a run or study that can be trained without the
    app."""
    plan = _plan(options)
    is_new_study = wants_new_study(options)
    if resumed_study(options) is not None:
        return
    if plan is None:
        raise SetupError("there is nothing to train: give --data DIR, --demo or --resume RUN")
    if options.read_only:
        raise SetupError("--read-only starts no run: omit it, or the options of the run")
    if options.gpus:
        check_ranks(options.gpus)
    if is_new_study:
        check_new_study(options, plan)
    else:
        plan()


def _plan(options: StartOptions) -> "Plan | None":
    """Return a function that loads the requested run, None where the options request no run.

    Raises SetupError for options that exclude each other.
    """
    if options.resume is not None:
        for name in options.given(_NOT_ON_RESUME):
            option = "config" if name == "preset" else name.replace("_", "-")
            raise SetupError(f"--{option} is for a new run: omit it with --resume")
        return partial(_plan_resumption, options)
    if not options.given(_RUN_OPTIONS):
        return None
    if options.demo and (options.data is not None or options.preset is not None):
        raise SetupError("--demo has its own data and preset: omit --data and --config")
    return partial(_plan_new_run, options)


def _plan_resumption(options: StartOptions) -> "tuple[Config, Resumption]":
    from core.run.find import find_run
    from core.session.resume import plan_resumption

    assert options.resume is not None
    device = [f"device={options.device}"] if options.device else []
    folder = find_run(Path(options.runs_dir), options.resume)
    overrides = [*options.overrides, *device]
    resumption = plan_resumption(folder, overrides, options.accept_data_changes, options.data)
    return resumption.config, resumption


def _plan_new_run(options: StartOptions) -> "tuple[Config, None]":
    from core.config.load import NO_STUDY, load_config
    from core.demo.config import demo_config
    from core.session import preflight

    keys = {
        "name": options.name,
        "device": options.device,
        "seed": options.seed,
        "data.root": options.data,
    }
    values = {key: value for key, value in keys.items() if value is not None}
    if options.demo:
        config = demo_config(options.overrides, values)
    else:
        config = load_config(options.preset or "default", [NO_STUDY, *options.overrides], values)
    preflight.check(config)
    return config, None


def _require_no_run(options: StartOptions, ranks: int) -> None:
    """Raise SetupError for an option that makes no sense without a run."""
    for option, is_given in (
        ("--detach", options.detach),
        ("--gpus", ranks > 1),
        ("--no-ui", options.no_ui),
    ):
        if is_given:
            raise SetupError(f"{option} needs a run: give --data DIR, --demo or --resume RUN")


def _detach(plan: "Plan", options: StartOptions) -> int:
    code, message, _ = _start_detached(plan, Path(options.runs_dir))
    click.echo(message, err=code != 0)
    return code


def _start_ranks(ranks: int, plan: "Plan", options: StartOptions, without_app: bool) -> int:
    if without_app:
        plan()  # reports an invalid configuration once, not once per rank
        return run_ranks(ranks, sys.argv[1:])
    click.echo(f"starting {ranks} processes", err=True)
    code, message, run = _start_detached(plan, Path(options.runs_dir))
    if not run:
        click.echo(message, err=True)
        return code
    code = open_app(options.app, show=Path(options.runs_dir) / run)
    click.echo(message)
    return code


def _start_detached(plan: "Plan", runs_dir: Path) -> tuple[int, str, str]:
    from tui.runtime.remote_control import start_detached

    plan()  # reports an invalid configuration here, not in the background process
    arguments = [argument for argument in sys.argv[1:] if argument != "--detach"]
    return start_detached(arguments, runs_dir)
