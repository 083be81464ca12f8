"""The tabs of a run's screen."""
