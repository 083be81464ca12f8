"""Run state as text."""
