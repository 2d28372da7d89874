"""How good generated pictures are: encoders, distances, the protocol."""
