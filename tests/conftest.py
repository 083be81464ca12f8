"""What all tests share: property tests draw the same examples every time."""

import gc
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker, spawn
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")


def pytest_collection_finish() -> None:
    """Leave all that is imported out of garbage collection, which takes an eighth of the time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or fills the cache and the settings of the person who runs the tests."""
    own = pytest.MonkeyPatch()
    own.setenv("CONVNEXT_TUI_CACHE", str(tmp_path_factory.mktemp("cache")))
    own.setenv("CONVNEXT_TUI_CONFIG", str(tmp_path_factory.mktemp("config")))
    yield
    own.undo()


@contextmanager
def unchanged(folder: Path) -> Iterator[Path]:
    """Whichever tests share a folder, and in whatever order: none may leave anything in it."""
    before = sorted(folder.rglob("*"))
    yield folder
    assert sorted(folder.rglob("*")) == before, "a test wrote into what others read, too"


@pytest.fixture
def forked_interpreter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Loader workers and other Python processes that a test starts have torch imported already."""
    from tests.tools.processes import fork_server

    resource_tracker.ensure_running()  # it lives longer than the fork server lets a process live
    before = spawn.get_executable()
    monkeypatch.setattr(sys, "executable", fork_server().interpreter)
    spawn.set_executable(sys.executable)
    yield
    spawn.set_executable(before)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three classes of twelve pictures that a few epochs can tell apart."""
    from tests.make_images import make_images

    made = make_images(tmp_path_factory.mktemp("photos"), classes=3, per_class=12)
    with unchanged(made) as folder:
        yield folder


@pytest.fixture(scope="session")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a run that is over, for tests that only read it."""
    from core.session.fit import fit
    from tests.core.engine_kit import small_config

    config = small_config(photos, "phases.head.lr=0.01", "phases.full.lr=0.003", "name=colours")
    with unchanged(fit(config, runs_dir=tmp_path_factory.mktemp("runs")).folder) as folder:
        yield folder


@pytest.fixture
def trained_copy(trained: Path, tmp_path: Path) -> Path:
    """A copy of that run, by itself in a directory of runs, for tests that write into it."""
    return Path(shutil.copytree(trained, tmp_path / "runs" / trained.name))
