"""Image data: sources, scanning, splitting, decoding, loading."""
