"""Everything about images of digits: the IDX format, its reader, MNIST."""
