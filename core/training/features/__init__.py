"""Cached features of the frozen backbone."""
