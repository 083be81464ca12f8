"""Sweeps: studies whose trials search for the best values of config keys."""
