"""Image grids."""

from math import ceil

import numpy as np
from PIL import Image

GAP = 2  # pixels around each image
WHITE = 255


def grid(images: np.ndarray, columns: int) -> np.ndarray:
    """Arrange images, uint8 (N, H, W, 3), in rows of so many columns on white: (H', W', 3)."""
    count, height, width, _ = images.shape
    rows = ceil(count / columns)
    sheet = np.full(
        (rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), WHITE, np.uint8
    )
    for index, image in enumerate(images):
        top = GAP + index // columns * (height + GAP)
        left = GAP + index % columns * (width + GAP)
        sheet[top : top + height, left : left + width] = image
    return sheet


def to_image(pixels: np.ndarray) -> Image.Image:
    """Convert pixels, uint8 (H, W, 3), to a Pillow image."""
    return Image.fromarray(np.ascontiguousarray(pixels), mode="RGB")
