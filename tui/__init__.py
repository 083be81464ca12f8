"""The terminal: command line, app and headless output. It never imports torch."""
