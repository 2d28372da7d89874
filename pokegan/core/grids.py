"""Many pictures in one."""

from __future__ import annotations

from math import ceil

import numpy as np
from PIL import Image

GAP = 2
WHITE = 255


def grid(pictures: np.ndarray, columns: int) -> np.ndarray:
    """PICTURES (N, H, W, 3) uint8, row by row with COLUMNS a row, on white: one (H', W', 3)."""
    count, height, width, _ = pictures.shape
    rows = ceil(count / columns)
    sheet = np.full(
        (rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), WHITE, np.uint8
    )
    for index, picture in enumerate(pictures):
        top = GAP + index // columns * (height + GAP)
        left = GAP + index % columns * (width + GAP)
        sheet[top : top + height, left : left + width] = picture
    return sheet


def to_image(pixels: np.ndarray) -> Image.Image:
    """Pixels (H, W, 3) uint8 as a Pillow image."""
    return Image.fromarray(np.ascontiguousarray(pixels), mode="RGB")
