"""Scores of generated images: features, distances, and the scoring protocol."""
