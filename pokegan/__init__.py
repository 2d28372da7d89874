"""PokeGAN."""
