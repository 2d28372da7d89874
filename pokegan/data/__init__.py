"""From source files to arrays: selection, rendering, enlargement and labels of the images.

A data set is an array, uint8 (N, R, R, 3), in a ``.npy`` and a manifest, a CSV with one row per
image: its source file, national number, form and the sha256 of its pixels.
"""
