"""Files that skmlp writes and reads: models, checkpoints, their encoding, and atomic writes."""
