"""Appearance of pictures in parts: color without shape, shape without color."""

import numpy as np
import pandas as pd
from scipy.ndimage import binary_fill_holes

BACKGROUND = 247  # least value of all channels; antialiased edges are close to white
LEVELS = 4  # per channel of a histogram
SHAPE_SIZE, PIXELS_SIZE = 16, 64  # pixels per side of a classifier's input


def foregrounds(images: np.ndarray) -> np.ndarray:
    """Return the masks of all pixels that are not white: bool (N, R, R)."""
    return np.stack([(image < BACKGROUND).any(axis=2) for image in images])


def silhouettes(images: np.ndarray) -> np.ndarray:
    """Return the foregrounds with holes filled, such as a white belly: bool (N, R, R)."""
    return np.stack([binary_fill_holes(mask) for mask in foregrounds(images)])


def mean_colors(images: np.ndarray) -> np.ndarray:
    """Return the mean color of each foreground, white if it is empty: (N, 3), 0 to 255."""
    return np.stack(
        [
            image[mask].mean(axis=0) if mask.any() else np.full(3, 255.0)
            for image, mask in zip(images, foregrounds(images), strict=True)
        ]
    )


def color_histograms(images: np.ndarray) -> np.ndarray:
    """Return square roots of the shares of 4×4×4 colors in each foreground: float32 (N, 64)."""
    # The Euclidean distance of the roots is the Hellinger distance, in which rare colors count.
    shares = np.zeros((len(images), LEVELS**3), np.float32)
    for share, image, mask in zip(shares, images, foregrounds(images), strict=True):
        levels = image[mask].astype(int) * LEVELS // 256
        codes = np.ravel_multi_index(tuple(levels.T), (LEVELS,) * 3)
        share[:] = np.bincount(codes, minlength=LEVELS**3) / max(1, len(codes))
    return np.sqrt(shares)


def shapes(images: np.ndarray) -> np.ndarray:
    """Return the silhouettes at 16×16 pixels, flat: float32 (N, 256)."""
    return downsample(silhouettes(images)[..., None], SHAPE_SIZE).reshape(len(images), -1)


def raw_pixels(images: np.ndarray) -> np.ndarray:
    """Return the images at 64×64 pixels or less, flat: float32 (N, 12288)."""
    return downsample(images, PIXELS_SIZE).reshape(len(images), -1)


def downsample(images: np.ndarray, size: int) -> np.ndarray:
    """Average images (N, R, R, C) to float32 (N, size, size, C); size must divide a larger R."""
    factor = max(1, images.shape[1] // size)
    side = images.shape[1] // factor
    blocks = (image.reshape(side, factor, side, factor, -1) for image in images)
    return np.stack([block.mean(axis=(1, 3), dtype=np.float32) for block in blocks])


def type_portraits(images: np.ndarray, types: pd.Series) -> dict[str, np.ndarray]:
    """Average the images (N, R, R, 3) of each type, the most common first; NA is no type.

    Returns names and counts (T,), colours (T, 3) of the foregrounds, means (T, R, R, 3) and
    silhouettes (T, R, R), all three uint8.
    """
    counts = types.value_counts().sort_index().sort_values(ascending=False, kind="stable")
    members = [images[(types == name).fillna(False).to_numpy(dtype=bool)] for name in counts.index]
    side = images.shape[1:3]

    def rounded(values: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
        return np.array(values).round().astype(np.uint8).reshape(len(counts), *shape)

    return {
        "names": np.array(counts.index, dtype=str),
        "counts": counts.to_numpy(dtype=int),
        "colours": rounded([mean_colors(own).mean(axis=0) for own in members], (3,)),
        "means": rounded([own.mean(axis=0) for own in members], (*side, 3)),
        "silhouettes": rounded([255 * silhouettes(own).mean(axis=0) for own in members], side),
    }
