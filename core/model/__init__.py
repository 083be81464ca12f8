"""Build, load and place a timm model."""
