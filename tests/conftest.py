"""What all tests share: property tests draw the same examples every time."""

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker, spawn
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.tools import error_sites

_ERRORS_KEY = pytest.StashKey[list[str]]()

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("repeatable")


def pytest_configure(config: pytest.Config) -> None:
    """Record the errors for the user that the tests trigger, in all processes in one file."""
    if not hasattr(config, "workerinput"):
        handle, place = tempfile.mkstemp(prefix="convnext-tui-errors-")
        os.close(handle)
        os.environ[error_sites.VARIABLE] = place
    error_sites.record_errors()


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail if all tests have run and an error was not triggered, or one is badly worded."""
    if hasattr(session.config, "workerinput"):
        return
    errors = error_sites.triggered(Path(os.environ[error_sites.VARIABLE]))
    found = error_sites.badly_worded(errors)
    options = session.config.option
    is_whole_suite = session.config.args == ["tests"] and options.markexpr == "not slow"
    if is_whole_suite and not options.keyword and exitstatus == pytest.ExitCode.OK:
        found += [f"not triggered: {site}" for site in error_sites.untriggered(errors)]
    if found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        session.config.stash[_ERRORS_KEY] = found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the errors that are not as they should be."""
    if found := terminalreporter.config.stash.get(_ERRORS_KEY, []):
        terminalreporter.section("errors for the user")
        for line in found:
            terminalreporter.line(line)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the recorded errors."""
    if not hasattr(config, "workerinput") and not os.environ.get("KEEP_ERRORS"):
        Path(os.environ[error_sites.VARIABLE]).unlink(missing_ok=True)


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
