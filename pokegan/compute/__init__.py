"""Computation: device, precision, random streams and several processes."""
