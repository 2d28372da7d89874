"""Compute features of images with an encoder."""

import ctypes
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from itertools import groupby, islice
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

# On a CPU, activations of small batches fit in its caches.
BATCH_SIZE = {"cpu": 4, "cuda": 256}
# Options of glibc's mallopt: blocks below 256 MB on the heap, of which up to 1 GB may be unused.
MMAP_THRESHOLD, TRIM_THRESHOLD = (-3, 2**28), (-1, 2**30)


@dataclass(frozen=True)
class Features:
    """Output of an encoder for N images."""

    features: np.ndarray  # (N, D) float32
    logits: np.ndarray  # (N, C) float32; C is 0 for an encoder without classes

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, rows: slice) -> "Features":
        return Features(self.features[rows], self.logits[rows])


class Encoder(Protocol):
    """A frozen pretrained network. Each module in pokegan/encoders has such a class `Encoder`."""

    name: str
    sha256: str  # of its weights
    side: int  # pixels that an image is resized to

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (N, D) and logits (N, C) of images, uint8 (N, H, W, 3) of any size."""


def load_encoder(name: str, device: torch.device) -> Encoder:
    """Load the encoder from the module of that name in pokegan/encoders."""
    if device.type == "cpu":
        keep_freed_memory()
    encoder: Encoder = import_module(f"pokegan.encoders.{name}").Encoder(device)
    return encoder


def keep_freed_memory() -> None:
    """Keep freed memory in the process; returning it after each layer takes a third of the time."""
    with suppress(OSError, AttributeError):
        allocator = ctypes.CDLL("libc.so.6")
        for option, value in (MMAP_THRESHOLD, TRIM_THRESHOLD):
            allocator.mallopt(option, value)


@torch.inference_mode()
def encode(
    encoder: Encoder,
    images: Iterable[np.ndarray],
    device: torch.device,
    progress: Callable[[int], object] = lambda done: None,
) -> Features:
    """Compute the features of images, each uint8 (H, W, 3) of any size.

    `progress` is called with the number of images of each finished batch.
    """
    features, logits = [], []
    for batch in _batches(images, BATCH_SIZE[device.type]):
        outputs = encoder(torch.from_numpy(batch).to(device))
        features.append(outputs[0].float().cpu().numpy())
        logits.append(outputs[1].float().cpu().numpy())
        progress(len(batch))
    if not features:
        raise ValueError("there are no images to encode")
    return Features(np.concatenate(features), np.concatenate(logits))


def _batches(images: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Yield batches of consecutive images of the same shape."""
    for _, group in groupby(images, key=lambda image: image.shape):
        while batch := list(islice(group, size)):
            yield np.stack(batch)
