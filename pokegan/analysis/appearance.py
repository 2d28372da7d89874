"""What pictures look like, apart: their colour without their shape, their shape without colour."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_fill_holes

# A pixel is drawn where one of its values is below; the ground is white, edges are soft.
GROUND = 247
LEVELS = 4  # of each of the three values, in a histogram
SHAPE, RAW = 16, 64  # pixels a side of what a classifier is shown


def drawn(pictures: np.ndarray) -> np.ndarray:
    """Where PICTURES (N, R, R, 3) uint8 are not white: (N, R, R) bool."""
    return np.stack([(picture < GROUND).any(axis=2) for picture in pictures])


def silhouettes(pictures: np.ndarray) -> np.ndarray:
    """Where PICTURES (N, R, R, 3) are drawn or enclosed by what is drawn: (N, R, R) bool.

    So a white belly within an outline belongs to the shape.
    """
    return np.stack([binary_fill_holes(mask) for mask in drawn(pictures)])


def mean_colours(pictures: np.ndarray) -> np.ndarray:
    """The mean colour of what is drawn in each of PICTURES (N, R, R, 3): (N, 3), 0 to 255.

    White where nothing is.
    """
    pairs = zip(pictures, drawn(pictures), strict=True)
    return np.stack(
        [picture[mask].mean(axis=0) if mask.any() else np.full(3, 255.0) for picture, mask in pairs]
    )


def colour_histograms(pictures: np.ndarray) -> np.ndarray:
    """What share of each picture's drawn pixels has which of 4×4×4 colours: (N, 64) float32.

    Square roots of the shares, so that distances are those of Hellinger and rare colours count.
    """
    shares = np.zeros((len(pictures), LEVELS**3), np.float32)
    for share, picture, mask in zip(shares, pictures, drawn(pictures), strict=True):
        levels = picture[mask].astype(int) * LEVELS // 256
        codes = np.ravel_multi_index(tuple(levels.T), (LEVELS,) * 3)
        share[:] = np.bincount(codes, minlength=LEVELS**3) / max(1, len(codes))
    return np.sqrt(shares)


def shapes(pictures: np.ndarray) -> np.ndarray:
    """Silhouettes of PICTURES (N, R, R, 3), averaged to 16×16 and flat: (N, 256) float32."""
    return averaged(silhouettes(pictures)[..., None], SHAPE).reshape(len(pictures), -1)


def raw_pixels(pictures: np.ndarray) -> np.ndarray:
    """PICTURES (N, R, R, 3), averaged to 64×64 if they are larger, and flat: (N, 12288) float32."""
    return averaged(pictures, RAW).reshape(len(pictures), -1)


def averaged(pictures: np.ndarray, side: int) -> np.ndarray:
    """PICTURES (N, R, R, C) of any numbers, averaged to SIDE where R is a multiple of it: float32.

    Smaller ones stay as they are.
    """
    factor = max(1, pictures.shape[1] // side)
    blocks = (
        picture.reshape(len(picture) // factor, factor, len(picture) // factor, factor, -1)
        for picture in pictures
    )
    return np.stack([block.mean(axis=(1, 3), dtype=np.float32) for block in blocks])
