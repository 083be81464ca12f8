"""Build a timm model, load its weights, place it on a device."""
