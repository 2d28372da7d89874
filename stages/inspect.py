"""Inspect a trained network."""
