"""One module an encoder, each with a class Encoder: a dependency of its own stages alone."""
