"""Command line, terminal app and headless output. Never imports torch."""
