"""Forecast model size, memory and training time of a configuration."""
