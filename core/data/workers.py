"""Where loader workers come from: a server that is started early and forks them when asked."""

import contextlib
import multiprocessing
import sys
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import BaseContext


def start_server() -> BaseContext:
    """Return the context that makes workers; its server begins at once to import what they need.

    fork can deadlock, as this process runs threads; the server forks from a clean one. What it
    imports, torch above all, takes seconds: called early, that goes on beside other work.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["core.data.preload"])
    # Both helper processes are handed sys.stderr's file; an app that captures prints has put
    # something without one in its place ("bad value(s) in fds_to_keep").
    with contextlib.redirect_stderr(sys.__stderr__):
        resource_tracker.ensure_running()
        forkserver.ensure_running()
    return context
