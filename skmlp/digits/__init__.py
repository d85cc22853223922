"""Images of digits: IDX files, MNIST, augmentation, and normalization of pictures."""
