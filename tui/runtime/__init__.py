"""Processes, threads and signals of a run."""
