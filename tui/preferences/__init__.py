"""Settings, themes and keys of the user."""
