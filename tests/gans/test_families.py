"""The training steps of the GAN families."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pokegan.compute.randomness import Streams
from pokegan.core.params import read_params
from pokegan.gans.aegan import Aegan
from pokegan.gans.dcgan import Dcgan
from pokegan.networks.sampling import sample_latents

CPU = torch.device("cpu")


def family(name: str, **changes: Any) -> Any:
    section = getattr(read_params(name), name).model_copy(update=changes)
    return {"dcgan819": Dcgan, "aegan": Aegan}[name](section, 0.0002, 32, Streams(0))


def test_each_optimizer_updates_its_own_networks_only(workspace: Path) -> None:
    """With a learning rate of zero for the other optimizer."""
    for name in ("dcgan819", "aegan"):
        gan = family(name)
        gan.prepare(CPU)
        real = torch.randn(12, 3, 32, 32)
        for optimizer, own in (
            ("generator", {"generator", "encoder"}),
            ("discriminator", {"discriminator", "latent_discriminator"}),
        ):
            for other in gan.optimizers.values():
                other.param_groups[0]["lr"] = 0.0
            gan.optimizers[optimizer].param_groups[0]["lr"] = 0.01
            before = {n: [p.clone() for p in net.parameters()] for n, net in gan.networks.items()}
            gan.step(real, gan.sample_inputs(12, Streams(0)))
            for part, network in gan.networks.items():
                same = all(
                    torch.equal(a, b)
                    for a, b in zip(before[part], network.parameters(), strict=True)
                )
                assert same == (part not in own), (name, part)


@pytest.mark.parametrize("name", ["dcgan819", "aegan"])
def test_every_network_accumulates_gradients_once_per_step(workspace: Path, name: str) -> None:
    gan = family(name)
    gan.prepare(CPU)
    taken: dict[str, int] = {}
    for part, network in gan.networks.items():
        first = next(network.parameters())

        def count(_: torch.Tensor, part: str = part) -> None:
            taken[part] = taken.get(part, 0) + 1

        first.register_post_accumulate_grad_hook(count)
    gan.step(torch.rand(12, 3, 32, 32), gan.sample_inputs(12, Streams(0)))
    assert taken == dict.fromkeys(gan.networks, 1)


def test_losses_of_aegan_by_hand(workspace: Path) -> None:
    """(2·real + fakes + recon)/4 and the weighted sum of four losses, with constant networks."""
    gan = family(
        "aegan",
        picture_adversarial=0.005,
        latent_adversarial=0.1,
        picture_reconstruction=1.0,
        latent_reconstruction=0.5,
    )
    gan.prepare(CPU)

    class Constant(torch.nn.Module):
        def __init__(self, shape: tuple[int, ...], value: float) -> None:
            super().__init__()
            self.value = torch.nn.Parameter(torch.tensor(value))
            self.shape = shape

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.value.expand(len(x), *self.shape)

    gan.networks = {
        "generator": Constant((3, 32, 32), 0.5),
        "encoder": Constant((8,), 0.0),
        "discriminator": Constant((), 0.0),
        "latent_discriminator": Constant((), 0.0),
    }
    measures = gan.step(torch.zeros(12, 3, 32, 32), gan.sample_inputs(12, Streams(1)))
    z = sample_latents(12, 8, Streams(1)["latents"])
    ln2 = np.log(2)
    assert measures["discriminator_loss"].item() == pytest.approx(ln2)
    assert measures["latent_discriminator_loss"].item() == pytest.approx(ln2)
    assert measures["picture_error"].item() == pytest.approx(0.5)
    assert measures["latent_error"].item() == pytest.approx(z.square().mean().item(), rel=1e-5)
    expected = 0.005 * 2 * ln2 + 0.1 * 2 * ln2 + 0.5 + 0.5 * z.square().mean().item()
    assert measures["generator_loss"].item() == pytest.approx(expected, rel=1e-5)
