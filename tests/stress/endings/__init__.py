"""End runs in every way; each process must end well, and leave nothing but a run to resume."""
