"""Predict model size, memory and time of a configuration."""
