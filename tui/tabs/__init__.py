"""What a run's screen shows one at a time."""
