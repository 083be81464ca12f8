"""The two phases by name: apart from their configuration, which takes long to import."""

PHASES = ("head", "full")
