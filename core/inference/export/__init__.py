"""Export a trained model."""
