"""Cache the features of the frozen backbone."""
