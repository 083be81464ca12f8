"""The same training with this program and with its alternatives."""
