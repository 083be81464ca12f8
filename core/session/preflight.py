"""Checks before a run is created, without torch."""

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
    """Raise a SetupError with a message of one line if the run cannot start."""
    if all(config.phases.get(phase).epochs == 0 for phase in PHASES):
        raise ConfigError(
            "phases.head.epochs and phases.full.epochs are both 0: there is nothing to train"
        )
    if config.data.root is None:
        raise ConfigError(
            "data.root is not set; give an image folder with --data DIR, or use --demo"
        )
    # Not Path.is_file: it raises for names that are too long and folders without permission.
    if config.model.weights is not None and not os.path.isfile(config.model.weights):  # noqa: PTH113
        raise ConfigError(f"model.weights={printable(config.model.weights)}: no such file")
    root = parse_location(config.data.root)
    source = source_of(root)
    source.check_installed(root)
    # A remote folder is listed by the run itself: starting one does not wait for a network.
    if not source.is_remote and not is_demo(config):
        check_root(root)
    if importlib.util.find_spec("torch") is None:
        raise ConfigError("torch is not installed in this environment: pip install torch")
