"""Folders as people have them: honest ones to train on, and mistaken ones with a way out."""

from tests.folders import archives, depths, layouts, names, similar
from tests.folders.case import CASES, Case, Given, follow

__all__ = ["CASES", "Case", "Given", "archives", "depths", "follow", "layouts", "names", "similar"]
