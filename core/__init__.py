"""The training engine and everything that can be known about a run, without a screen."""

__version__ = "0.1.0"
