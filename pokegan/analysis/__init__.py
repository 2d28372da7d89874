"""Analyses of trained networks and of the types of Pokémon."""
