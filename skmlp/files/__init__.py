"""Model files, checkpoints, their encoding, and atomic writes."""
