from typing import Any

import numpy as np
import torch

from pokegan.compute.randomness import Streams
from pokegan.training.loop import Schedule, Training
from tests.conftest import STRENGTHS, augmentation
from tests.models import make_gan

# All that has a state: dropout, moving average, noisy labels, augmentation.
EVERYTHING = {
    "epochs": 2.5,
    "ema_half_life": 50,
    "lecam": 0.1,
    "r1": 0.1,
    "r1_interval": 2,
    "mirror": True,
    "dropout_generator": 0.1,
    "dropout_discriminator": 0.1,
    "label_noise": 0.1,
    "swapped_labels": 0.1,
    "augmentation": augmentation(*STRENGTHS),
}


def make_training(
    images: np.ndarray,
    name: str = "dcgan819",
    precision: str = "fp32",
    device: str = "cpu",
    lr: float = 0.0002,
    **changes: Any,
) -> Training:
    """A training of four steps per epoch on 48 images of 32 pixels."""
    streams = Streams(3)
    gan = make_gan(name, lr, streams, **changes)
    params = gan.params
    return Training(
        gan,
        torch.from_numpy(images),
        Schedule(len(images), params.batch_size, params.epochs, params.snapshots),
        streams,
        torch.device(device),
        precision,
    )


def weights(training: Training) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": value.to("cpu", copy=True)
        for name, network in training.networks.items()
        for key, value in network.state_dict().items()
    }


def equal(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)
