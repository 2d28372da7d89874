"""PokéGAN's stages: one click script = one DVC stage = one verb."""
