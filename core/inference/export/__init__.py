"""Export a trained model; `EXPORT_FORMATS` in `formats` lists the formats."""
