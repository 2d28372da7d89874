"""Every knob changes what it says it changes, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pokegan.compute.distributed import BatchNorm
from pokegan.compute.randomness import Streams
from pokegan.core.errors import PipelineError
from pokegan.core.params import read_params
from pokegan.core.schema import GanParams
from pokegan.networks.architectures import Discriminator, Generator, channels
from pokegan.networks.factory import (
    build_network,
    discriminator_config,
    generator_config,
    make_optimizer,
)
from tests.conftest import TINY, set_params

GANS = ("dcgan819", "dcgan14000", "aegan")


def section(name: str = "dcgan819", **changes: Any) -> GanParams:
    return getattr(read_params(name), name).model_copy(update=changes)


def generator(resolution: int = 32, **changes: Any) -> nn.Module:
    return build_network(generator_config(section(**changes), resolution), Streams(0), "generator")


def discriminator(resolution: int = 32, **changes: Any) -> nn.Module:
    description = discriminator_config(section(**changes), resolution)
    return build_network(description, Streams(0), "discriminator")


def count(network: nn.Module, kind: type | tuple[type, ...]) -> int:
    return sum(isinstance(module, kind) for module in network.modules())


pytestmark = pytest.mark.usefixtures("workspace")


@pytest.mark.parametrize("resolution", [32, 64, 128, 256, 512])
@pytest.mark.parametrize("upsampling", ["transposed", "nearest", "bilinear"])
@pytest.mark.parametrize("head", ["convolution", "dense"])
def test_shapes_at_every_resolution(resolution: int, upsampling: str, head: str) -> None:
    drawn = generator(resolution, upsampling=upsampling, head_generator=head, width=2)(
        torch.randn(2, 8)
    )
    assert drawn.shape == (2, 3, resolution, resolution)
    assert discriminator(resolution, head_discriminator=head, width=2)(drawn).shape == (2,)


def test_upsampling_replaces_the_transposed_convolutions() -> None:
    transposed, nearest = generator(64), generator(64, upsampling="nearest")
    assert count(transposed, nn.ConvTranspose2d) == 5
    assert count(nearest, nn.ConvTranspose2d) == 1  # the head
    assert count(nearest, nn.Upsample) == 4
    modes = [m.mode for m in generator(upsampling="bilinear").modules() if hasattr(m, "mode")]
    assert modes == ["bilinear"] * 3


def test_transposed_convolutions_paint_a_chequer_and_upsampling_does_not() -> None:
    """From constant maps an upsampled picture is flat inside; a transposed one has a period."""
    for upsampling, flat in (("transposed", False), ("nearest", True), ("bilinear", True)):
        network = generator(64, upsampling=upsampling, normalization_generator="none").eval()
        with torch.no_grad():
            for module in network.modules():
                if isinstance(module, nn.ConvTranspose2d) and module.stride == (1, 1):
                    module.weight[:] = module.weight[..., :1, :1]  # a constant 4×4 map
            middle = network(torch.randn(1, 8))[..., 30:34, 30:34]
        assert (middle.std((2, 3)).max() < 1e-6) == flat


def test_dense_heads() -> None:
    assert count(generator(head_generator="dense"), nn.Linear) == 1
    assert count(generator(), nn.Linear) == 0
    assert count(discriminator(head_discriminator="dense"), nn.Linear) == 1
    assert count(discriminator(), nn.Linear) == 0


@pytest.mark.parametrize(
    ("kind", "module"), [("batch", BatchNorm), ("instance", nn.GroupNorm), ("layer", nn.GroupNorm)]
)
def test_normalization_of_either_side_alone(kind: str, module: type) -> None:
    kinds = (BatchNorm, nn.GroupNorm)
    both = {"normalization_generator": "none", "normalization_discriminator": "none"}
    assert count(generator(64, **both), kinds) == count(discriminator(64, **both), kinds) == 0
    on_generator = both | {"normalization_generator": kind}
    assert count(generator(64, **on_generator), module) == 4
    assert count(discriminator(64, **on_generator), kinds) == 0
    on_discriminator = both | {"normalization_discriminator": kind}
    assert count(discriminator(64, **on_discriminator), module) == 3  # not at the picture
    assert count(generator(64, **on_discriminator), kinds) == 0


def test_normalizations_normalise_over_what_they_say() -> None:
    """Mean 0 and variance 1: a channel of the batch, a map of a picture, a whole picture."""
    batch = 3 + 5 * torch.randn(6, 4, 8, 8) * (0.5 + torch.rand(6, 4, 1, 1))
    for kind, over in (("batch", (0, 2, 3)), ("instance", (2, 3)), ("layer", (1, 2, 3))):
        network = generator(normalization_generator=kind, width=1).train()
        norm = next(
            m
            for m in network.modules()
            if isinstance(m, BatchNorm | nn.GroupNorm) and len(m.weight) == 4
        )
        nn.init.ones_(norm.weight)
        done = norm(batch)
        assert done.mean(over).abs().max() < 1e-4
        assert (done.var(over, correction=0) - 1).abs().max() < 1e-2


def test_dropout_silences_whole_maps() -> None:
    network = generator(dropout_generator=0.5, width=16)
    dropouts = [module for module in network.modules() if isinstance(module, nn.Dropout2d)]
    assert [module.p for module in dropouts] == [0.5] * 3
    silenced = (dropouts[0](torch.ones(8, 64, 4, 4)) == 0).all(dim=(2, 3)).float().mean()
    assert 0.3 < silenced < 0.7
    assert count(discriminator(dropout_generator=0.5), nn.Dropout2d) == 0
    assert count(discriminator(dropout_discriminator=0.2), nn.Dropout2d) == 3
    assert count(generator(), nn.Dropout2d) == 0


def test_spectral_norm_can_be_left_out() -> None:
    def normalised(network: nn.Module) -> int:
        return sum(hasattr(module, "parametrizations") for module in network.modules())

    assert normalised(discriminator(64)) == 5
    assert normalised(discriminator(64, spectral_norm=False)) == 0
    assert normalised(discriminator(64, head_discriminator="dense")) == 5
    assert normalised(generator(64)) == 0


@pytest.mark.parametrize("resolution", [64, 128, 256, 512])
def test_receptive_field_of_the_discriminator(resolution: int) -> None:
    """k = 4, s = 2, L layers: 3·2^L − 2 pixels a unit, clipped at the border; the logit sees all."""
    network = Discriminator(1, resolution, normalization="none")
    for weights in network.parameters():
        nn.init.ones_(weights)
    picture = torch.zeros(1, 3, resolution, resolution, requires_grad=True)
    network.features(picture)[0, 0, 1, 1].backward()
    rows = picture.grad[0, 0].abs().sum(1).nonzero()
    layers = len(channels(1, resolution))
    size, start = 3 * 2**layers - 2, 2**layers - (2**layers - 1)
    assert rows.min() == max(0, start)
    assert rows.max() == min(resolution, start + size) - 1
    picture.grad = None
    network(picture).backward()
    assert (picture.grad != 0).all()


@pytest.mark.parametrize("resolution", [64, 256])
def test_every_pixel_hangs_on_the_latent(resolution: int) -> None:
    network = Generator(1, 1, resolution, normalization="none").double()
    with torch.no_grad():
        for weights in network.parameters():
            weights.uniform_(0.1, 0.3)
        one = torch.ones(1, 1, dtype=torch.double)
        before_tanh = network.layers[:-1]
        difference = before_tanh(one) - before_tanh(0 * one)
    assert (difference != 0).all()


@pytest.mark.parametrize("gan", GANS)
def test_the_perceptron_has_dense_layers_only(gan: str, drawings: Any) -> None:
    from stages.train import build_gan

    built = build_gan(gan, section(gan, architecture="mlp"), 0.0002, 32, Streams(0))
    for network in built.networks.values():
        assert count(network, (nn.Conv2d, nn.ConvTranspose2d)) == 0
        assert count(network, nn.Linear) > 3
    built.prepare(torch.device("cpu"))
    measures = built.step(torch.rand(12, 3, 32, 32), built.sample_inputs(12, Streams(1)))
    assert all(torch.isfinite(value) for value in measures.values())


def test_width_and_latent_dim() -> None:
    assert (
        generator(width=8).layers[1].out_channels == 2 * generator(width=4).layers[1].out_channels
    )
    assert generator(latent_dim=100).layers[1].in_channels == 100


def test_a_layer_keeps_its_start_when_another_changes() -> None:
    """latent_dim changes G's first layer alone; D and G's other layers begin as before."""
    one, two = generator(latent_dim=8).state_dict(), generator(latent_dim=9).state_dict()
    changed = {key for key in one if one[key].shape != two[key].shape}
    assert changed == {"layers.1.weight"}
    assert all(torch.equal(one[key], two[key]) for key in one.keys() - changed)
    other = build_network(generator_config(section(), 32), Streams(1), "generator").state_dict()
    assert not torch.equal(other["layers.1.weight"], one["layers.1.weight"])


@pytest.mark.parametrize(
    "knob",
    [
        {"dropout_discriminator": 0.5, "dropout_generator": 0.5},
        {"normalization_discriminator": "none", "normalization_generator": "none"},
        {"normalization_discriminator": "layer", "normalization_generator": "instance"},
        {"spectral_norm": False},
    ],
)
def test_every_kernel_keeps_its_start_when_a_knob_is_turned(knob: dict[str, Any]) -> None:
    def kernels(network: nn.Module) -> list[torch.Tensor]:
        kinds = (nn.Conv2d, nn.ConvTranspose2d)
        found = [m for m in network.modules() if isinstance(m, kinds)]
        parametrized = [getattr(m, "parametrizations", None) for m in found]
        return [
            p.weight.original if p else m.weight for m, p in zip(found, parametrized, strict=True)
        ]

    for make in (generator, discriminator):
        before, after = kernels(make()), kernels(make(**knob))
        assert len(before) == len(after) == 4
        assert all(torch.equal(one, two) for one, two in zip(before, after, strict=True))


def test_optimizers() -> None:
    trained = [nn.Linear(2, 2)]
    adam = make_optimizer(section(betas=[0.4, 0.8], weight_decay=0.1), 0.3, trained)
    assert isinstance(adam, torch.optim.Adam)
    group = adam.param_groups[0]
    assert (group["lr"], group["betas"], group["weight_decay"]) == (0.3, (0.4, 0.8), 0.1)
    rmsprop = make_optimizer(section(optimizer="rmsprop", betas=[0.4, 0.8]), 0.3, trained)
    assert isinstance(rmsprop, torch.optim.RMSprop)
    assert rmsprop.param_groups[0]["alpha"] == 0.8


@pytest.mark.parametrize("gan", GANS)
def test_the_nearest_learning_rate_wins(gan: str) -> None:
    def rates(**own: float | None) -> tuple[float, float]:
        return section(gan, **own).learning_rates(0.1)

    assert rates() == (0.1, 0.1)
    assert rates(lr=0.2) == (0.2, 0.2)
    assert rates(lr=0.2, lr_discriminator=0.4) == (0.2, 0.4)
    assert rates(lr_generator=0.3) == (0.3, 0.1)
    from stages.train import build_gan

    built = build_gan(
        gan, section(gan, lr_generator=0.3, lr_discriminator=0.4), 0.1, 32, Streams(0)
    )
    built.prepare(torch.device("cpu"))
    found = {name: each.param_groups[0]["lr"] for name, each in built.optimizers.items()}
    assert found == {"generator": 0.3, "discriminator": 0.4}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("upsampling", "cubic", "must be 'transposed', 'nearest' or 'bilinear'"),
        ("optimizer", "sgd", "must be 'adam' or 'rmsprop'"),
        ("normalization_generator", "spectral", "dcgan819.normalization_generator is 'spectral'"),
        ("head_generator", "flat", "must be 'convolution' or 'dense'"),
        ("architecture", "vit", "must be 'convolution' or 'mlp'"),
        ("dropout_discriminator", 1.0, "must be less than 1"),
        ("ema", 1, "must be less than 1"),
        ("lr_generator", 0, "must be greater than 0"),
        ("latent_dim", 0, "must be greater than or equal to 1"),
    ],
)
def test_bad_knobs_are_named(workspace: Path, key: str, value: Any, words: str) -> None:
    set_params(workspace, {**TINY, f"dcgan819.{key}": value})
    with pytest.raises(PipelineError) as fault:
        section()
    assert words in fault.value.message


def test_instance_norm_of_a_perceptron_is_refused(workspace: Path) -> None:
    knobs = {"aegan.architecture": "mlp", "aegan.normalization_encoder": "instance"}
    set_params(workspace, {**TINY, **knobs})
    with pytest.raises(PipelineError) as fault:
        section()
    assert fault.value.message.startswith("params.yaml: aegan.normalization_encoder is 'instance'")
