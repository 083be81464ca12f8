"""Imports of the forkserver: workers are forked with these modules already loaded."""

import signal

import timm.data

import core.data.loading.dataset

__all__ = ["core", "timm"]

# A closing terminal, Ctrl-C and Slurm's SIGTERM reach every process of a job at once, but only the
# main process handles them: it needs the workers until its checkpoint, and the server as long as
# the workers, which count as dead without it. Forks inherit the ignored signals; all of these
# processes end when the main process does.
for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
