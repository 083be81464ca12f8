"""Studies: runs that belong together, and statistics over them."""
