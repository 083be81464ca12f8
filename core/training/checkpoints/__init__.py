"""Write, verify and find checkpoints."""
