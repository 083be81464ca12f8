"""Figures, comparison and classification metrics of runs."""
