"""Networks, losses and the training of GANs."""
