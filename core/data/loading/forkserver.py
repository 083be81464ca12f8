"""Where loader workers come from: a server that is started early and forks them when asked."""

import contextlib
import sys
from collections.abc import Iterator
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import BaseContext, ForkServerContext, ForkServerProcess


@contextlib.contextmanager
def _main_left_alone() -> Iterator[None]:
    """Let new processes not know where the main module is from.

    They would run it once more, and workers need nothing of it. A script that trains, written
    without `if __name__ == "__main__"`, would train in each of them; one that was read from
    standard input isn't there to be run at all.
    """
    main = vars(sys.modules["__main__"])
    kept = {name: value for name, value in main.items() if name in ("__file__", "__spec__")}
    main.update(dict.fromkeys(kept))
    try:
        yield
    finally:
        main.update(kept)


class _Worker(ForkServerProcess):
    def start(self) -> None:
        with _main_left_alone():
            super().start()


class _Context(ForkServerContext):
    Process = _Worker


def start_forkserver() -> BaseContext:
    """Return the context that makes workers; its server begins at once to import what they need.

    fork can deadlock, as this process runs threads; the server forks from a clean one. What it
    imports, torch above all, takes seconds: called early, that goes on beside other work.
    """
    context = _Context()
    context.set_forkserver_preload(["core.data.loading.forkserver_preload"])
    # Both helper processes are handed sys.stderr's file; an app that captures prints has put
    # something without one in its place ("bad value(s) in fds_to_keep").
    with contextlib.redirect_stderr(sys.__stderr__):
        resource_tracker.ensure_running()
        forkserver.ensure_running()
    return context
