"""Training: the loop, losses, augmentation, monitoring and history."""
