"""Compute features of images with an encoder."""

import ctypes
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from itertools import groupby, islice
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

# Pixels of the resized images of a batch. On a CPU, activations of small batches fit in its caches.
BATCH_PIXELS = {"cpu": 4 * 224**2, "cuda": 256 * 224**2}
WAITING = 4  # batches per thread that are in memory at once
Output = TypeVar("Output")
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
    encoder: Encoder = import_module(f"pokegan.encoders.{name}").Encoder(device)
    return encoder


def keep_freed_memory() -> None:
    """Keep freed memory in the process; returning it after each layer takes a third of the time."""
    with suppress(OSError, AttributeError):
        allocator = ctypes.CDLL("libc.so.6")
        for option, value in (MMAP_THRESHOLD, TRIM_THRESHOLD):
            allocator.mallopt(option, value)


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
    size = max(1, BATCH_PIXELS[device.type] // encoder.side**2)
    for outputs in map_batches(encoder, _batches(images, size), device):
        features.append(outputs[0].float().cpu().numpy())
        logits.append(outputs[1].float().cpu().numpy())
        progress(len(features[-1]))
    if not features:
        raise ValueError("there are no images to encode")
    return Features(np.concatenate(features), np.concatenate(logits))


def map_batches(
    network: Callable[[Tensor], Output], batches: Iterable[np.ndarray], device: torch.device
) -> Iterator[Output]:
    """Yield the output of a network for each batch, in order.

    On a CPU, each batch is computed by one thread, and several batches at once. This uses the cores
    better than several threads for one small batch, and the outputs do not depend on the number
    of threads.
    """

    @torch.inference_mode()
    def compute(batch: np.ndarray) -> Output:
        return network(torch.from_numpy(batch).to(device))

    if device.type != "cpu":
        yield from map(compute, batches)
        return
    keep_freed_memory()
    threads, remaining = torch.get_num_threads(), iter(batches)
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            while few := list(islice(remaining, WAITING * threads)):
                yield from pool.map(compute, few)
    finally:
        torch.set_num_threads(threads)  # the default of threads that start later


def _batches(images: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Yield batches of consecutive images of the same shape."""
    for _, group in groupby(images, key=lambda image: image.shape):
        while batch := list(islice(group, size)):
            yield np.stack(batch)
