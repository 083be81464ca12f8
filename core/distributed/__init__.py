"""Process groups for training on several GPUs."""
