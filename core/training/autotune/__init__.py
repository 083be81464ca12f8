"""Choose precision, memory layout and batch size by measurement."""
