"""Enlarge a data set by mirrored and color-jittered copies."""

import numpy as np
import torch
from torchvision.transforms.v2 import ColorJitter
from torchvision.transforms.v2.functional import hflip

from pokegan.core.schema import Augment


def enlarge(images: np.ndarray, params: Augment, seed: int) -> np.ndarray:
    """Return the images, their mirror images and color-jittered copies.

    torchvision's `ColorJitter` scales brightness, contrast and saturation of each copy by factors
    from [1 − value, 1 + value], in random order. With keep_white, white pixels remain white. Takes
    uint8 (N, R, R, 3), and returns uint8 (3N, R, R, 3).
    """
    jitter = ColorJitter(params.brightness, params.contrast, params.saturation)
    originals = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        jittered = torch.stack([jitter(image) for image in originals])
    if params.keep_white:
        white = (originals == 255).all(dim=1, keepdim=True)
        jittered = jittered.masked_fill(white, 255)
    enlarged = torch.cat([originals, hflip(originals), jittered])
    return enlarged.permute(0, 2, 3, 1).contiguous().numpy()
