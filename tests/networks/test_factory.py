"""Every parameter changes what its name says, and nothing else."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pokegan.compute.distributed import BatchNorm
from pokegan.compute.randomness import Streams
from pokegan.core.errors import PipelineError
from pokegan.core.params import read_params
from pokegan.core.schema import DcganParams
from pokegan.networks.factory import (
    build_network,
    discriminator_config,
    generator_config,
    make_optimizer,
)
from tests.conftest import ROOT, TINY, TINY_NETWORK, set_params


def section(name: str = "dcgan819", **changes: Any) -> DcganParams:
    params = read_params(name, file=ROOT / "params.yaml")[name]
    return params.model_copy(update={**TINY_NETWORK, **changes})


def generator(seed: int = 0, **changes: Any) -> nn.Module:
    return build_network(generator_config(section(**changes), 32), Streams(seed), "generator")


def discriminator(**changes: Any) -> nn.Module:
    config = discriminator_config(section(**changes), 32)
    return build_network(config, Streams(0), "discriminator")


@pytest.mark.parametrize("side", ["generator", "discriminator"])
def test_a_parameter_of_one_side_leaves_the_other_alone(side: str) -> None:
    changes = {f"normalization_{side}": "layer", f"dropout_{side}": 0.1, f"head_{side}": "dense"}
    configs = {"generator": generator_config, "discriminator": discriminator_config}
    for name, config in configs.items():
        values = (changes | config(section(), 32)).items()
        changed = {k for k, v in config(section(**changes), 32).items() if (k, v) not in values}
        assert changed == ({"normalization", "dropout", "head"} if name == side else set())


def test_width_and_latent_dim() -> None:
    wide, narrow = generator(width=8).layers[1], generator(width=4, latent_dim=100).layers[1]
    assert wide.out_channels == 2 * narrow.out_channels
    assert narrow.in_channels == 100


def test_initial_weights() -> None:
    network = generator(width=64, latent_dim=128)
    kernels = [m.weight.flatten() for m in network.modules() if isinstance(m, nn.ConvTranspose2d)]
    weights = torch.cat(kernels)
    assert abs(weights.mean()) < 1e-4
    assert abs(weights.std() - 0.02) < 1e-4
    scales = torch.cat([m.weight for m in network.modules() if isinstance(m, BatchNorm)])
    assert abs(scales.mean() - 1) < 0.005


def test_a_layer_keeps_its_initial_weights_when_another_changes() -> None:
    one, two = generator(latent_dim=8).state_dict(), generator(latent_dim=9).state_dict()
    changed = {key for key in one if one[key].shape != two[key].shape}
    assert changed == {"layers.1.weight"}
    assert all(torch.equal(one[key], two[key]) for key in one.keys() - changed)
    assert not torch.equal(generator(seed=1).layers[1].weight, one["layers.1.weight"])


@pytest.mark.parametrize(
    "changes",
    [
        {"dropout_discriminator": 0.5, "dropout_generator": 0.5},
        {"normalization_discriminator": "none", "normalization_generator": "none"},
        {"normalization_discriminator": "layer", "normalization_generator": "instance"},
        {"spectral_norm": False},
    ],
)
def test_kernels_keep_their_initial_weights_when_a_parameter_changes(
    changes: dict[str, Any],
) -> None:
    def kernels(network: nn.Module) -> list[Tensor]:
        layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
        return [
            m.parametrizations.weight.original if hasattr(m, "parametrizations") else m.weight
            for m in layers
        ]

    for make in (generator, discriminator):
        before, after = kernels(make()), kernels(make(**changes))
        assert len(before) == 4
        assert all(torch.equal(one, two) for one, two in zip(before, after, strict=True))


def test_spectral_norm_is_optional_and_on_every_layer_of_the_discriminator() -> None:
    network = discriminator(head_discriminator="dense")
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == 4
    assert all(hasattr(layer, "parametrizations") for layer in layers)
    for network in (discriminator(spectral_norm=False), generator()):
        assert not any(hasattr(module, "parametrizations") for module in network.modules())


def test_optimizers() -> None:
    trained = [nn.Linear(2, 2)]
    adam = make_optimizer(section(betas=[0.4, 0.8], weight_decay=0.1), 0.3, trained)
    assert isinstance(adam, torch.optim.Adam)
    group = adam.param_groups[0]
    assert (group["lr"], group["betas"], group["weight_decay"]) == (0.3, (0.4, 0.8), 0.1)
    rmsprop = make_optimizer(section(optimizer="rmsprop", betas=[0.4, 0.8]), 0.3, trained)
    assert isinstance(rmsprop, torch.optim.RMSprop)
    assert rmsprop.param_groups[0]["alpha"] == 0.8


def test_the_most_specific_learning_rate_is_used() -> None:
    def rates(**own: float | None) -> tuple[float, float]:
        return section(**own).learning_rates(0.1)

    assert rates() == (0.1, 0.1)
    assert rates(lr=0.2) == (0.2, 0.2)
    assert rates(lr=0.2, lr_discriminator=0.4) == (0.2, 0.4)
    assert rates(lr_generator=0.3) == (0.3, 0.1)


def test_instance_norm_of_a_perceptron_is_an_error(workspace: Path) -> None:
    changes = {"aegan.architecture": "mlp", "aegan.normalization_encoder": "instance"}
    set_params(workspace, {**TINY, **changes})
    with pytest.raises(PipelineError, match=r"params.yaml: aegan.normalization_encoder is 'insta"):
        read_params("aegan")
