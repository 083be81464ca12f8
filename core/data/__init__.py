"""Pictures: scan, split, read, augment, load."""
