"""Predict, evaluate, export and explain with a trained model; `core.inference.api` is the entry."""
