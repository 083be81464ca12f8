"""Terminal output and capabilities."""
