"""Tiny trainings for the tests of this package."""

from typing import Any

import numpy as np
import torch

from pokegan.compute.randomness import Streams
from pokegan.core.params import read_params
from pokegan.training.loop import Schedule, Training
from stages.train import build_gan

# All that has a state: dropout, moving average, noisy labels, augmentation.
EVERYTHING = {
    "epochs": 2.5,
    "ema": 0.9,
    "dropout_generator": 0.1,
    "dropout_discriminator": 0.1,
    "label_noise": 0.1,
    "swapped_labels": 0.1,
    "augmentation": ["color", "translation", "cutout"],
}


def make_training(
    images: np.ndarray,
    name: str = "dcgan819",
    precision: str = "fp32",
    device: str = "cpu",
    lr: float = 0.0002,
    **changes: Any,
) -> Training:
    """A training of four steps per epoch in the directory of the fixture `workspace`."""
    section = read_params(name)[name].model_copy(update=changes)
    streams = Streams(3)
    return Training(
        build_gan(name, section, lr, images.shape[1], streams),
        torch.from_numpy(images),
        Schedule(len(images), section.batch_size, section.epochs, section.snapshots),
        streams,
        torch.device(device),
        precision,
        section.ema,
    )


def weights(training: Training) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": value.to("cpu", copy=True)
        for name, network in training.networks.items()
        for key, value in network.state_dict().items()
    }


def equal(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)
