"""GAN families: one module per family, with its networks and its training step."""
