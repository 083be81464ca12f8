"""The command `sweep`: search for the best values of config keys, as a file describes it."""

import sys
from pathlib import Path

import click

from tui.cli.start_line import parse_start


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("spec", metavar="SPEC.yaml", type=click.Path(path_type=Path))
@click.argument("options", nargs=-1, type=click.UNPROCESSED, metavar="[OPTION]...")
@click.pass_context
def sweep(context: click.Context, spec: Path, options: tuple[str, ...]) -> None:
    """Search for the best values of config keys.

    \b
      config: default
      data: photos
      overrides: {phases.full.epochs: 0}
      sweep:
        phases.head.lr: 1e-4..1e-1:log
        phases.head.label_smoothing: [0, 0.1]
      trials: 20
      sampler: tpe
      pruner: median
      objective: val_top1

    The keys of SPEC.yaml are options of `convnext-tui`. Options after it, such as --no-ui or
    --trials 50, take precedence. The trials are runs of one study.
    """
    from core.study.sweep.spec_file import spec_arguments
    from tui.cli.start import start
    from tui.cli.start_options import StartOptions

    parsed = parse_start(context.find_root(), [*spec_arguments(spec), *options])
    sys.exit(start(StartOptions(**parsed.params)))
