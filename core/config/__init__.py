"""Configuration schema, presets, loading and overrides."""
