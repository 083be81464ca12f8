"""The user's folders of this program: configuration and cache."""

import os
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
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

    return _with_home(user_config_dir, "config")


def cache_dir() -> Path:
    """Return the user's cache folder, or the folder in CACHE_VARIABLE.

    Everything in it may be deleted at any time and is recomputed when needed.
    """
    override = _override(CACHE_VARIABLE)
    if override is not None:
        return override
    from platformdirs import user_cache_dir

    return _with_home(user_cache_dir, "cache")


def _override(variable: str) -> Path | None:
    value = os.environ.get(variable)
    if not value:
        return None
    with suppress(RuntimeError):  # no home folder, or that of an unknown user
        return Path(value).expanduser().absolute()
    return Path(value).absolute()


def _with_home(find: Callable[..., str], kind: str) -> Path:
    """Return the folder that a function of platformdirs finds, or one for temporary files where the
    user has no home folder, as in a container that runs under any user id."""
    with suppress(RuntimeError):
        folder = find("convnext-tui", appauthor=False)
        if not folder.startswith("~"):  # of earlier versions, which don't raise
            return Path(folder)
    return _own_temporary_folder() / kind


@cache
def _own_temporary_folder() -> Path:
    folder = Path(tempfile.gettempdir(), f"convnext-tui-{os.getuid()}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid():
        return folder
    return Path(tempfile.mkdtemp(prefix="convnext-tui-"))  # somebody else has taken the name
