"""Helpers without domain knowledge: errors, files, text, locations, subprocesses."""
