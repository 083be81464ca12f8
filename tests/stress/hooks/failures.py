"""Failures of a run at chosen places, and shorter constants; see `tests.stress.endings`.

A failure is a file in the folder STRESS_FAILURES: its name is the place, its text how often (`once`
or `always`) and with which exception; with `always wait` the process waits until the file is gone.
STRESS_CONSTANTS has new values of constants, as JSON.
"""

import builtins
import errno
import functools
import importlib.abc
import importlib.machinery
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

_FOLDER = Path(os.environ["STRESS_FAILURES"])
_RANK = os.environ.get("RANK", "0")
_CONSTANTS: dict[str, Any] = json.loads(os.environ.get("STRESS_CONSTANTS", "{}"))
REASON = "the stress test has failed this"


def due(place: str) -> str:
    """Return the exception to fail with at a place; empty if it is not to fail.

    A place of a certain rank ends with `@` and its number. Of several processes, one takes a
    failure that is due once.
    """
    for name in (place, f"{place}@{_RANK}"):
        try:
            often, _, exception = (_FOLDER / name).read_text().partition(" ")
            if often == "once":
                (_FOLDER / name).unlink()
        except FileNotFoundError:
            continue
        return exception
    return ""


def fail(place: str) -> None:
    """Fail if that is due at a place."""
    exception = due(place)
    if exception == "wait":
        while due(place):
            time.sleep(0.02)
    elif exception:
        _raise(exception)


def _raise(exception: str) -> None:
    if exception == "hang":
        time.sleep(100_000)
    if exception == "exit":
        os._exit(3)
    if exception in ("ENOSPC", "EIO"):
        number = getattr(errno, exception)
        raise OSError(number, os.strerror(number))
    kind = getattr(builtins, exception)
    raise kind(*(("utf-8", b"\xff", 0, 1) if kind is UnicodeDecodeError else ()), REASON)


def _before(place: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        fail(place)
        return function(*arguments, **options)

    return call


def _in_worker(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        if multiprocessing.parent_process() is not None:
            fail("worker")
        return function(*arguments, **options)

    return call


_PLACES = {
    "core.data.scan": [("scan", "_scan_one")],
    "core.training.checkpoints.writer": [("writer", "write_checkpoint")],
    "core.training.setup": [("build", "_build_model"), ("loaders", "make_loaders")],
    "core.training.engine": [
        ("begin-phase", "Engine.begin_phase"),
        ("step", "Engine.step"),
        ("validation", "Engine.validation_step"),
        ("epoch-end", "Engine.finish_epoch"),
    ],
    "tui.app": [
        ("tick", "ConvNextApp.tick"),
        ("action", "ConvNextApp.action_help"),
        ("unmount", "ConvNextApp.on_unmount"),
    ],
    "tui.screens.run": [("screen", "RunScreen.compose"), ("screen-tick", "RunScreen.tick")],
    "tui.screens.help": [("dialog", "HelpScreen.compose")],
}
"""By module: the name of the place, and the function at whose start it is."""


def _patch(module: ModuleType) -> None:
    for place, path in _PLACES.get(module.__name__, ()):
        owner, _, name = path.rpartition(".")
        holder = getattr(module, owner) if owner else module
        setattr(holder, name, _before(place, getattr(holder, name)))
    if module.__name__ == "core.data.loading.dataset":
        dataset = module.ImageDataset
        dataset.__getitems__ = _in_worker(dataset.__getitems__)
    for name, value in _CONSTANTS.get(module.__name__, {}).items():
        _replace(module, name, value)


def _replace(module: ModuleType, name: str, value: Any) -> None:
    """Give a constant another value, also where it is the default of a parameter."""
    old = getattr(module, name)
    setattr(module, name, value)
    for thing in vars(module).values():
        for function in (thing, *(vars(thing).values() if isinstance(thing, type) else ())):
            if isinstance(function, FunctionType):
                found = function.__defaults__ or ()
                function.__defaults__ = tuple(value if each is old else each for each in found)
                named = function.__kwdefaults__ or {}
                named.update({key: value for key, each in named.items() if each is old})


class _Finder(importlib.abc.MetaPathFinder):
    """Patches modules when they are imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        patched = name in _PLACES or name in _CONSTANTS or name == "core.data.loading.dataset"
        found = importlib.machinery.PathFinder.find_spec(name, path) if patched else None
        if found is None or found.loader is None:
            return None
        execute = found.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            _patch(module)

        found.loader.exec_module = exec_module  # type: ignore[method-assign]
        return found


sys.meta_path.insert(0, _Finder())
