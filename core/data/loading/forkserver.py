"""Start and end of loader workers: a forkserver imports torch early and forks them on request."""

import atexit
import contextlib
import signal
import sys
import time
import weakref
from collections.abc import Iterator
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

SHIELDED_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def _hidden_main_module() -> Iterator[None]:
    """Hide the file of the main module, so that new processes don't run it again.

    A training script without `if __name__ == "__main__"` would train in each worker, one read from
    standard input can't be run again at all, and workers need nothing from it.
    """
    main = vars(sys.modules["__main__"])
    saved = {name: value for name, value in main.items() if name in ("__file__", "__spec__")}
    main.update(dict.fromkeys(saved))
    try:
        yield
    finally:
        main.update(saved)


_KILL_SECONDS = 2.0
"""Time for a killed process to end; one that waits for a lost network share doesn't."""


class _Worker(ForkServerProcess):
    def start(self) -> None:
        with _hidden_main_module():
            super().start()


class WorkerContext(ForkServerContext):
    """Multiprocessing context of the workers of one loader, which it can end."""

    def __init__(self) -> None:
        super().__init__()
        self._workers: list[_Worker] = []
        _contexts.add(self)

    def Process(self, *arguments: Any, **options: Any) -> ForkServerProcess:  # type: ignore[override]
        """Return a new worker, not yet started."""
        worker = _Worker(*arguments, **options)
        self._workers.append(worker)
        return worker

    def end_workers(self, seconds: float) -> None:
        """Wait until all workers have ended; kill those that still run after `seconds`.

        Workers ignore SIGTERM, with which multiprocessing ends processes when the interpreter
        exits; it would then wait for them forever.
        """
        deadline = time.monotonic() + seconds
        started = [worker for worker in self._workers if worker.pid is not None]
        self._workers.clear()
        for worker in started:
            worker.join(max(0.0, deadline - time.monotonic()))
        for worker in started:
            worker.kill()
        for worker in started:
            worker.join(_KILL_SECONDS)


_contexts: "weakref.WeakSet[WorkerContext]" = weakref.WeakSet()


@atexit.register  # before multiprocessing's own exit function, which was registered earlier
def _end_all_workers() -> None:
    for context in list(_contexts):
        context.end_workers(0.0)


def start_forkserver() -> WorkerContext:
    """Return the multiprocessing context of the workers and start its server in the background.

    Plain fork can deadlock, as this process runs threads; the server forks from a process without
    any. Its imports, mostly torch, take seconds: started early, they run while the data is read.
    """
    context = WorkerContext()
    context.set_forkserver_preload(["core.data.loading.forkserver_preload"])
    # Both helper processes inherit the file of sys.stderr; an app that captures prints replaces it
    # with an object without a file ("bad value(s) in fds_to_keep").
    with contextlib.redirect_stderr(sys.__stderr__):
        with _shielded(), _without_warning_of_leaks():
            resource_tracker.ensure_running()
        with _shielded():
            forkserver.ensure_running()
    return context


@contextlib.contextmanager
def _shielded() -> Iterator[None]:
    """Block the signals of terminals and job managers, also in processes that are started here.

    They reach all processes of a run, but only the main process handles them. The server would be
    ended by one during its imports, the tracker by a closing terminal before it has removed the
    semaphores of a killed process. The tracker unblocks and ignores SIGINT and SIGTERM by itself.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SHIELDED_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _without_warning_of_leaks() -> Iterator[None]:
    """Start a Python process that does not warn on standard error of semaphores that it removes.

    They are left by processes that were killed.
    """
    before = sys.warnoptions[:]
    sys.warnoptions.append("ignore::UserWarning:multiprocessing.resource_tracker")
    try:
        yield
    finally:
        sys.warnoptions[:] = before
