"""Charts: data, axes and drawing."""
