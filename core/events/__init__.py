"""Events, commands, and the files that carry them between processes."""
