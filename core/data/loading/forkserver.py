"""Start of loader workers: a forkserver that imports torch early and forks them on request."""

import contextlib
import sys
from collections.abc import Iterator
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import BaseContext, ForkServerContext, ForkServerProcess


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


class _Worker(ForkServerProcess):
    def start(self) -> None:
        with _hidden_main_module():
            super().start()


class _Context(ForkServerContext):
    Process = _Worker


def start_forkserver() -> BaseContext:
    """Return the multiprocessing context of the workers and start its server in the background.

    Plain fork can deadlock, as this process runs threads; the server forks from a process without
    any. Its imports, mostly torch, take seconds: started early, they run while the data is read.
    """
    context = _Context()
    context.set_forkserver_preload(["core.data.loading.forkserver_preload"])
    # Both helper processes inherit the file of sys.stderr; an app that captures prints replaces it
    # with an object without a file ("bad value(s) in fds_to_keep").
    with contextlib.redirect_stderr(sys.__stderr__):
        resource_tracker.ensure_running()
        forkserver.ensure_running()
    return context
