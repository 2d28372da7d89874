"""Encoders for scoring: one module per pretrained network, each with a class `Encoder`."""
