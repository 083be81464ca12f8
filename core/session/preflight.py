"""What can be known to be wrong with a run before anything is made, and without torch."""

import importlib.util
import os

from core.common.text import printable
from core.config.load import ConfigError
from core.config.phases import PHASES
from core.config.schema import Config
from core.data.image_folder import check_root
from core.data.sources import parse_location, source_of
from core.demo.config import is_demo


def check(config: Config) -> None:
    """Raise a SetupError, whose message is one line, when the run can't begin."""
    if all(config.phases.get(phase).epochs == 0 for phase in PHASES):
        raise ConfigError(
            "phases.head.epochs and phases.full.epochs are both 0: nothing would be trained"
        )
    if config.data.root is None:
        raise ConfigError(
            "data.root is not set; give a folder of pictures with --data DIR, or use --demo"
        )
    # Not Path.is_file: that raises for a name too long and for a folder one may not look into.
    if config.model.weights is not None and not os.path.isfile(config.model.weights):  # noqa: PTH113
        raise ConfigError(f"model.weights={printable(config.model.weights)}: no such file")
    root = parse_location(config.data.root)
    source = source_of(root)
    source.check_installed(root)
    # A remote folder is listed by the run itself: starting one doesn't wait for a network.
    if not source.is_remote and not is_demo(config):
        check_root(root)
    if importlib.util.find_spec("torch") is None:
        raise ConfigError("torch is not installed in this environment: pip install torch")
