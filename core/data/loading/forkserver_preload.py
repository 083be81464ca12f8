"""Imported once by the server that loader workers are forked from: they start with it at hand."""

import signal

import timm.data

import core.data.loading.dataset

__all__ = ["core", "timm"]

# A terminal that closes, Ctrl-C and Slurm's SIGTERM reach every process of a job at once. They are
# the main process' to handle: it needs the workers until its checkpoint, and the server as long as
# the workers, which count as dead when it is. What the server ignores, its forks ignore; both end
# when the main process does.
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
