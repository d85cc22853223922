"""Pictures of training, one Display a file; matplotlib is imported only by the functions that draw."""
