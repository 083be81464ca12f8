"""Tabs of the run screen."""
