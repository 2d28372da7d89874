"""From pictures to features: what an encoder is, and how it is fed."""

from __future__ import annotations

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

# On a CPU, small batches stay in its caches.
BATCH = {"cpu": 4, "cuda": 256}
# glibc's mallopt: blocks from this size on are the system's, and so much may lie free at the end.
MMAP_THRESHOLD, TRIM_THRESHOLD = (-3, 2**28), (-1, 2**30)


@dataclass(frozen=True)
class Features:
    """What an encoder says of N pictures: FEATURES (N, D) and class LOGITS (N, C), float32.

    C is 0 for an encoder without classes.
    """

    features: np.ndarray
    logits: np.ndarray

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, rows: slice) -> Features:
        return Features(self.features[rows], self.logits[rows])


class Encoder(Protocol):
    """A frozen network: SHA256 of its weights, SIDE in pixels that a picture is resized to."""

    name: str
    sha256: str
    side: int

    def __call__(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, D) and logits (N, C) of PICTURES (N, H, W, 3) uint8 of any size."""


def load_encoder(name: str, device: torch.device) -> Encoder:
    """The encoder NAME, whose module stands in encoders/, on DEVICE.

    Raises:
        PipelineError: its weights are not there, or are not the ones that are meant.
    """
    if device.type == "cpu":
        keep_memory()
    encoder: Encoder = import_module(f"stages.scoring.encoders.{name}").Encoder(device)
    return encoder


def keep_memory() -> None:
    """Let the process keep the memory that it frees, where its allocator is glibc's.

    Else each layer's maps go back to the system and come anew, page by page, which costs a third
    of the speed of encoding.
    """
    with suppress(OSError, AttributeError):
        allocator = ctypes.CDLL("libc.so.6")
        for option, value in (MMAP_THRESHOLD, TRIM_THRESHOLD):
            allocator.mallopt(option, value)


@torch.inference_mode()
def encode(
    encoder: Encoder,
    pictures: Iterable[np.ndarray],
    device: torch.device,
    progress: Callable[[int], object] = lambda done: None,
) -> Features:
    """What ENCODER says of PICTURES, each (H, W, 3) uint8; sizes may differ.

    PROGRESS is told how many more are done.

    Raises:
        ValueError: there is no picture.
    """
    features, logits = [], []
    for batch in _batches(pictures, BATCH[device.type]):
        found, classes = encoder(torch.from_numpy(batch).to(device))
        features.append(found.float().cpu().numpy())
        logits.append(classes.float().cpu().numpy())
        progress(len(batch))
    if not features:
        raise ValueError("there is no picture to encode")
    return Features(np.concatenate(features), np.concatenate(logits))


def _batches(pictures: Iterable[np.ndarray], most: int) -> Iterator[np.ndarray]:
    """Batches of neighbours of one size, at most MOST a batch."""
    for _, alike in groupby(pictures, key=lambda picture: picture.shape):
        while batch := list(islice(alike, most)):
            yield np.stack(batch)
