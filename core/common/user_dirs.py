"""The user's folders of this program: configuration and cache."""

import os
from pathlib import Path

CONFIG_VARIABLE = "CONVNEXT_TUI_CONFIG"
"""Environment variable that overrides the config folder."""
CACHE_VARIABLE = "CONVNEXT_TUI_CACHE"
"""Environment variable that overrides the cache folder."""


def config_dir() -> Path:
    """Return the user's config folder, or the folder in CONFIG_VARIABLE."""
    override = _override(CONFIG_VARIABLE)
    if override is not None:
        return override
    from platformdirs import user_config_dir

    return Path(user_config_dir("convnext-tui", appauthor=False))


def cache_dir() -> Path:
    """Return the user's cache folder, or the folder in CACHE_VARIABLE.

    Everything in it may be deleted at any time and is recomputed when needed.
    """
    override = _override(CACHE_VARIABLE)
    if override is not None:
        return override
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("convnext-tui", appauthor=False))


def _override(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value).expanduser().absolute() if value else None
