"""Predict, evaluate, explain and export with a trained model; `core.inference.api` is the entry."""
