import pytest
import torch
from torch import nn

from pokegan.compute.distributed import BatchNorm
from pokegan.compute.randomness import Streams
from pokegan.networks.architectures import (
    Discriminator,
    Encoder,
    Generator,
    LatentDiscriminator,
    channels,
    count_parameters,
)
from pokegan.networks.factory import initialize
from pokegan.networks.sampling import from_uint8, generate_images, to_uint8
from pokegan.networks.spectral_norm import apply_spectral_norm


def test_channels_of_the_report() -> None:
    assert channels(64, 64) == [64, 128, 256, 512]
    assert channels(64, 32) == [64, 128, 256]
    assert channels(64, 512) == [64, 128, 256, 512, 512, 512, 512]


@pytest.mark.parametrize("resolution", [32, 64, 128, 256, 512])
def test_shapes_follow_the_resolution(resolution: int) -> None:
    z = torch.randn(2, 8)
    pictures = Generator(8, 2, resolution)(z)
    assert pictures.shape == (2, 3, resolution, resolution)
    assert pictures.abs().max() <= 1
    assert Discriminator(2, resolution)(pictures).shape == (2,)
    assert Encoder(8, 2, resolution)(pictures).shape == (2, 8)
    assert LatentDiscriminator(8)(z).shape == (2,)


def test_parameter_counts_by_hand() -> None:
    kernel = 4 * 4
    convolutions = [(128, 512), (512, 256), (256, 128), (128, 64), (64, 3)]
    batch_norms = 2 * (512 + 256 + 128 + 64)
    expected = sum(a * b * kernel for a, b in convolutions) + batch_norms + 3
    assert count_parameters(Generator(128, 64, 64)) == expected == 3_806_083

    convolutions = [(3, 64), (64, 128), (128, 256), (256, 512), (512, 1)]
    expected = sum(a * b * kernel for a, b in convolutions) + 64 + 2 * (128 + 256 + 512) + 1
    assert count_parameters(Discriminator(64, 64)) == expected

    dense = [(16, 32), (32, 64), (64, 128), (128, 256), (256, 1)]
    assert count_parameters(LatentDiscriminator(16)) == sum(a * b + b for a, b in dense)


def test_initial_weights() -> None:
    network = Generator(128, 64, 64)
    initialize(network, Streams(0), "generator")
    weights = torch.cat(
        [m.weight.flatten() for m in network.modules() if isinstance(m, nn.ConvTranspose2d)]
    )
    assert abs(weights.mean()) < 1e-4
    assert abs(weights.std() - 0.02) < 1e-4
    scales = torch.cat([m.weight for m in network.modules() if isinstance(m, BatchNorm)])
    assert abs(scales.mean() - 1) < 0.005


def test_every_convolution_is_spectrally_normalised() -> None:
    """Largest singular value of each kernel, as an (out, rest) matrix: 1 after settling."""
    torch.manual_seed(0)
    network = Discriminator(16, 64)
    initialize(network, Streams(0), "discriminator")
    apply_spectral_norm(network)
    for _ in range(200):
        network(torch.randn(2, 3, 64, 64))
    kernels = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert len(kernels) == 5
    for kernel in kernels:
        largest = torch.linalg.matrix_norm(kernel.detach().flatten(1), ord=2)
        assert abs(largest - 1) < 0.02


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 4, 4)])
def test_spectral_norm_is_torchs_own(shape: tuple[int, ...]) -> None:
    """The same weight and the same gradient as torch.nn.utils.parametrizations.spectral_norm."""
    torch.manual_seed(0)
    weights, towards = torch.randn(shape), torch.randn(shape)
    results = []
    for normalise in (apply_spectral_norm, nn.utils.parametrizations.spectral_norm):
        layer = nn.Linear(5, 6) if len(shape) == 2 else nn.Conv2d(5, 6, 4)
        with torch.no_grad():
            layer.weight.copy_(weights)
        normalise(layer)
        for _ in range(500):
            normalised = layer.weight
        (normalised * towards).sum().backward()
        results.append((normalised.detach(), layer.parametrizations.weight.original.grad))
    for one, two in zip(*results, strict=True):
        assert torch.allclose(one, two, atol=1e-4)


def test_bytes_and_back() -> None:
    every = torch.arange(256, dtype=torch.uint8).repeat(3, 1).T.contiguous().reshape(1, 16, 16, 3)
    floats = from_uint8(every)
    assert (floats.min(), floats.max()) == (-1, 1)
    assert floats.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(to_uint8(floats), every)


def test_drawing_does_not_depend_on_the_batch_and_changes_nothing() -> None:
    torch.manual_seed(0)
    network = Generator(8, 4, 32).train()
    for _ in range(3):
        network(torch.randn(16, 8))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    z = torch.randn(7, 8)
    whole, single = generate_images(network, z), generate_images(network, z, batch_size=1)
    assert whole.dtype == torch.uint8
    assert whole.shape == (7, 32, 32, 3)
    assert (whole.int() - single.int()).abs().max() <= 1
    assert network.training
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
