"""What all tests share: property tests draw the same examples every time."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or fills the cache of the person who runs the tests."""
    before = os.environ.get("CONVNEXT_TUI_CACHE")
    os.environ["CONVNEXT_TUI_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    del os.environ["CONVNEXT_TUI_CACHE"]
    if before is not None:
        os.environ["CONVNEXT_TUI_CACHE"] = before
