"""Screen state without widgets."""
