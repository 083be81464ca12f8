"""The same training by this program and by what people would use instead."""
