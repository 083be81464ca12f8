"""Names of the two phases; separate from the schema, which takes long to import."""

HEAD, FULL = "head", "full"
PHASES = (HEAD, FULL)
"""All phases, in training order."""
