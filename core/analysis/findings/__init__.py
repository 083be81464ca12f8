"""Findings about a run's curves, and the verdict at its end."""
