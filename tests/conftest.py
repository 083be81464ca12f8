"""What all tests share: property tests draw the same examples every time."""

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
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or fills the cache and the settings of the person who runs the tests."""
    own = pytest.MonkeyPatch()
    own.setenv("CONVNEXT_TUI_CACHE", str(tmp_path_factory.mktemp("cache")))
    own.setenv("CONVNEXT_TUI_CONFIG", str(tmp_path_factory.mktemp("config")))
    yield
    own.undo()
