"""Configuration of the demo run, and drawing of its images on first use."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from core.config.load import load_config
from core.config.schema import Config
from core.demo import DEMO_SEED, backbone_path, demo_data_dir, make_demo_data


def demo_config(overrides: Iterable[str] = (), values: Mapping[str, Any] = {}) -> Config:
    """Return the preset `demo` with the built-in images and backbone; raise ConfigError."""
    return load_config(
        "demo",
        overrides,
        {
            "data.root": str(demo_data_dir(DEMO_SEED)),
            "model.weights": str(backbone_path()),
            **values,
        },
    )


def is_demo(config: Config) -> bool:
    """Return whether a configuration trains on the built-in images."""
    root = config.data.root
    return root is not None and Path(root) == demo_data_dir(DEMO_SEED).absolute()


def draw_demo(config: Config, progress: Callable[[int, int], None]) -> None:
    """Draw the built-in images unless they exist; raise OSError."""
    make_demo_data(Path(config.data.root or ""), DEMO_SEED, progress)
