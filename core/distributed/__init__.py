"""Process groups for multi-GPU training."""
