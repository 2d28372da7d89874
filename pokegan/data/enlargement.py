"""Enlarge a data set by mirrored and color-jittered copies."""

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import ColorJitter
from torchvision.transforms.v2.functional import hflip

from pokegan.core.schema import Augment


def enlarge(images: np.ndarray, params: Augment, seed: int) -> np.ndarray:
    """Return the images, and the copies of each that the parameters name.

    torchvision's `ColorJitter` scales brightness, contrast and saturation of each copy by factors
    from [1 − value, 1 + value], in random order. With keep_white, white pixels remain white. Takes
    uint8 (N, R, R, 3), and returns uint8 (kN, R, R, 3) for k − 1 copies.
    """
    originals = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2)
    copies = {"mirrored": hflip, "jittered": lambda x: jitter(x, params, seed)}
    enlarged = torch.cat([originals, *(copies[kind](originals) for kind in params.copies)])
    return enlarged.permute(0, 2, 3, 1).contiguous().numpy()


def jitter(originals: Tensor, params: Augment, seed: int) -> Tensor:
    """Change the colors of images, uint8 (N, 3, R, R), each by its own factors."""
    change = ColorJitter(params.brightness, params.contrast, params.saturation)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        jittered = torch.stack([change(image) for image in originals])
    if params.keep_white:
        white = (originals == 255).all(dim=1, keepdim=True)
        jittered = jittered.masked_fill(white, 255)
    return jittered
