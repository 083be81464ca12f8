"""Stages of the tests: what is marked slow runs with `pytest -m slow`."""

from collections.abc import Iterable
from typing import Any

import pytest


def slow_except(values: Iterable[Any], *fast: Any) -> list[Any]:
    """Return parameters of a test, all but `fast` marked for the slow stage."""
    return [v if v in fast else pytest.param(v, marks=pytest.mark.slow) for v in values]
