"""The page of `pokegan play`."""
