"""All key bindings of the app."""

import importlib
import inspect
import pkgutil

from textual.binding import Binding

import tui
from tui.app import ConvNextApp


def all_bindings() -> list[tuple[type[object], Binding]]:
    """Return all bindings with the classes that declare them."""
    owners: set[type[object]] = {ConvNextApp}
    for module in pkgutil.walk_packages(tui.__path__, "tui."):
        if not module.name.endswith("__main__"):
            found = inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
            owners |= {cls for _, cls in found if cls.__module__.startswith("tui.")}
    declared = sorted((cls for cls in owners if "BINDINGS" in vars(cls)), key=lambda c: c.__name__)
    return [(owner, binding) for owner in declared for binding in vars(owner)["BINDINGS"]]
