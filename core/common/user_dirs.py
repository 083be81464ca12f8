"""Where a user's own files of this program are kept, apart from runs and what can be made anew."""

import os
from pathlib import Path

CONFIG_VARIABLE = "CONVNEXT_TUI_CONFIG"
"""Environment variable that names another config folder."""


def config_dir() -> Path:
    """Return the user's config folder for this program, or the one that CONFIG_VARIABLE names."""
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    from platformdirs import user_config_dir

    return Path(user_config_dir("convnext-tui", appauthor=False))
