"""Datasets and data loaders (the part of `core.data` that needs torch)."""
