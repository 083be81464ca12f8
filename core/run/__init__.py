"""Run state, run folders, and everything known about a run without torch."""
